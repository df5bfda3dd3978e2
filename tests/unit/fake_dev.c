/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/vfio.h>
#include <rte_eal.h>

#include "fake_dev.h"

#define MSG_BASE 0xfee00000u

void
fake_eal_init(void)
{
	static char *argv[] = { (char *)(uintptr_t) "unit", (char *)(uintptr_t) "--no-huge",
		(char *)(uintptr_t) "--no-pci", (char *)(uintptr_t) "--no-shconf",
		(char *)(uintptr_t) "--no-telemetry", (char *)(uintptr_t) "-m",
		(char *)(uintptr_t) "64", (char *)(uintptr_t) "-l", (char *)(uintptr_t) "0",
		(char *)(uintptr_t) "--log-level=lib.ims*:critical", NULL };

	if (rte_eal_init(RTE_DIM(argv) - 1, argv) < 0)
		exit(1); /* a failure, not a skip */
}

static struct fake_dev *
from(struct ims_vfio *v)
{
	return (struct fake_dev *)v;
}

static void
log_access(struct fake_dev *f, char op, uint64_t off, uint32_t val)
{
	if (f->n_log < FAKE_LOG)
		f->log[f->n_log++] = (struct fake_access){ op, off, val };
}

static void
signal_fd(int fd)
{
	uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void
fake_send_locked(struct fake_dev *f, uint64_t addr, uint32_t data)
{
	if (addr < MSG_BASE || addr >= MSG_BASE + 0x100000) {
		atomic_store_explicit(
			(_Atomic(uint32_t) *)(uintptr_t)addr, data, memory_order_release);
	} else if (f->reader != NULL && f->n_queue < 256) {
		f->queue[f->n_queue++] = addr - MSG_BASE;
		signal_fd(f->source_fd);
	} else {
		signal_fd(f->sinks[addr - MSG_BASE].fd);
	}
}

static bool
fire_locked(struct fake_dev *f, uint32_t slot)
{
	uint32_t *s = &f->bar[slot * 4];

	if (__atomic_load_n(&s[3], __ATOMIC_ACQUIRE) & 1) {
		f->pending[slot] = true;
		__atomic_or_fetch(&s[3], 2, __ATOMIC_RELAXED);
		return false;
	}
	f->pending[slot] = false;
	fake_send_locked(f, s[0] | (uint64_t)s[1] << 32, s[2]);
	return true;
}

bool
fake_fire(struct fake_dev *f, uint32_t slot)
{
	bool sent;

	pthread_mutex_lock(&f->lock);
	sent = fire_locked(f, slot);
	pthread_mutex_unlock(&f->lock);
	return sent;
}

/* As a register write of the slot's number: the device looks at the slot again. */
static int
fake_sync(struct rte_ims_dev *dev, uint32_t slot)
{
	struct fake_dev *f = from(dev->vfio);

	pthread_mutex_lock(&f->lock);
	log_access(f, 's', slot, 0);
	if (f->race) {
		f->race = false;
		fake_send_locked(f, f->bar[slot * 4] | (uint64_t)f->bar[slot * 4 + 1] << 32,
			f->bar[slot * 4 + 2]);
	}
	if (f->pending[slot])
		fire_locked(f, slot);
	pthread_mutex_unlock(&f->lock);
	return f->fail;
}

static int
fake_read(struct ims_vfio *v, uint32_t region, uint64_t off, void *buf, size_t len)
{
	struct fake_dev *f = from(v);

	memcpy(buf, (uint8_t *)f->bar + off, len);
	log_access(f, 'r', off, 0);
	return f->fail;
}

static int
fake_write(struct ims_vfio *v, uint32_t region, uint64_t off, const void *buf, size_t len)
{
	struct fake_dev *f = from(v);
	uint32_t val;

	memcpy(&val, buf, sizeof(val));
	log_access(f, 'w', off, val);
	if (f->fail == 0)
		memcpy((uint8_t *)f->bar + off, buf, len);
	return f->fail;
}

static int
fake_msg_alloc(struct ims_vfio *v, const struct ims_vfio_sink *sink, struct ims_vfio_msg *msg)
{
	struct fake_dev *f = from(v);

	pthread_mutex_lock(&f->lock);
	assert_true(f->next_msg < 4096);
	f->sinks[f->next_msg] = *sink;
	msg->addr = MSG_BASE + f->next_msg++;
	msg->data = 0;
	f->n_msgs++;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static void
fake_msg_retarget(
	struct ims_vfio *v, const struct ims_vfio_msg *msg, const struct ims_vfio_sink *sink)
{
	struct fake_dev *f = from(v);

	pthread_mutex_lock(&f->lock);
	f->sinks[msg->addr - MSG_BASE] = *sink;
	pthread_mutex_unlock(&f->lock);
}

static int
fake_msg_sink(struct ims_vfio *v, const struct ims_vfio_msg *msg, struct ims_vfio_sink *sink)
{
	struct fake_dev *f = from(v);

	*sink = f->sinks[msg->addr - MSG_BASE];
	return f->forgets ? -ENOENT : 0;
}

static void
fake_msg_free(struct ims_vfio *v, const struct ims_vfio_msg *msg)
{
	from(v)->n_msgs--;
}

static int
fake_source_take(struct ims_vfio *v, const void *reader)
{
	struct fake_dev *f = from(v);
	int rc = -EBUSY;

	pthread_mutex_lock(&f->lock);
	if (f->reader == NULL) {
		f->reader = reader;
		rc = f->source_fd;
	}
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static void
fake_source_give(struct ims_vfio *v, const void *reader)
{
	struct fake_dev *f = from(v);

	pthread_mutex_lock(&f->lock);
	f->reader = NULL;
	/* The transport's own thread reads what is left. */
	while (f->n_queue != 0)
		signal_fd(f->sinks[f->queue[--f->n_queue]].fd);
	pthread_mutex_unlock(&f->lock);
}

static int
fake_source_read(struct ims_vfio *v, const void *reader, struct ims_vfio_event *ev, unsigned int n)
{
	struct fake_dev *f = from(v);
	const struct ims_vfio_sink *sink;
	unsigned int got = 0, i;
	uint64_t count;

	pthread_mutex_lock(&f->lock);
	for (i = 0; i < f->n_queue && got < n; i++) {
		sink = &f->sinks[f->queue[i]];
		if (sink->reader == reader)
			ev[got++].cookie = sink->cookie;
		else
			signal_fd(sink->fd);
	}
	f->n_queue -= i;
	memmove(f->queue, f->queue + i, f->n_queue * sizeof(f->queue[0]));
	if (f->n_queue == 0 && read(f->source_fd, &count, sizeof(count)) < 0)
		count = 0;
	pthread_mutex_unlock(&f->lock);
	return got;
}

static void
fake_source_ack(struct ims_vfio *v, const struct ims_vfio_event *ev, unsigned int n)
{
	from(v)->n_acks += n;
}

static int
fake_dma_map(struct ims_vfio *v, uint64_t iova, void *addr, size_t len, int fd, uint64_t offset)
{
	from(v)->n_dma++;
	return from(v)->fail;
}

static int
fake_dma_unmap(struct ims_vfio *v, const struct ims_vfio_dma_map *map)
{
	from(v)->n_dma--;
	return from(v)->fail;
}

static int
fake_reset(struct ims_vfio *v)
{
	struct fake_dev *f = from(v);
	uint32_t i;

	pthread_mutex_lock(&f->lock);
	memset(f->bar, 0, sizeof(f->bar));
	memset(f->pending, 0, sizeof(f->pending));
	for (i = 0; i < FAKE_SLOTS; i++)
		f->bar[i * 4 + 3] = 1;
	pthread_mutex_unlock(&f->lock);
	return f->fail;
}

static void
fake_close(struct ims_vfio *v)
{
}

static const struct ims_vfio_ops fake_ops = {
	.close = fake_close,
	.region_read = fake_read,
	.region_write = fake_write,
	.dma_map = fake_dma_map,
	.dma_unmap = fake_dma_unmap,
	.reset = fake_reset,
	.msg_alloc = fake_msg_alloc,
	.msg_retarget = fake_msg_retarget,
	.msg_free = fake_msg_free,
	.msg_sink = fake_msg_sink,
	.source_take = fake_source_take,
	.source_give = fake_source_give,
	.source_read = fake_source_read,
	.source_ack = fake_source_ack,
};

static const struct ims_driver fake_driver = { .name = "fake" };

struct fake_dev *
fake_dev_create(bool mapped)
{
	struct ims_store_bar_conf conf = {
		.name = "ims-bar",
		.n_slots = FAKE_SLOTS,
		.n_special = 1,
		.sync = fake_sync,
	};
	struct rte_ims_dev *dev;
	struct fake_dev *f;

	f = calloc(1, sizeof(*f));
	dev = calloc(1, sizeof(*dev));
	assert_non_null(f);
	assert_non_null(dev);
	ims_vfio_init(&f->v, &fake_ops, "fake", 1000);
	pthread_mutex_init(&f->lock, NULL);
	f->source_fd = eventfd(0, EFD_NONBLOCK);
	f->v.n_regions = 1;
	f->v.regions[0].size = sizeof(f->bar);
	if (mapped) {
		f->v.regions[0].n_areas = 1;
		f->v.regions[0].areas[0].size = sizeof(f->bar);
		f->v.regions[0].areas[0].addr = f->bar;
	}
	fake_reset(&f->v);
	f->dev = dev;
	dev->vfio = &f->v;
	dev->driver = &fake_driver;
	strcpy(dev->name, "fake");
	pthread_mutex_init(&dev->lock, NULL);
	TAILQ_INIT(&dev->stores);
	TAILQ_INIT(&dev->tables);
	TAILQ_INIT(&dev->sources);
	assert_non_null(ims_table_new_locked(dev, "device", IMS_TABLE_MAX));
	assert_non_null(ims_store_dev_create(dev));
	f->store = ims_store_bar_create(dev, &conf);
	assert_non_null(f->store);
	return f;
}

void
fake_dev_destroy(struct fake_dev *f)
{
	struct rte_ims_dev *dev = f->dev;

	while (!TAILQ_EMPTY(&dev->tables))
		assert_int_equal(ims_table_remove(TAILQ_LAST(&dev->tables, ims_table_list)), 0);
	assert_int_equal(f->n_msgs, 0);
	assert_int_equal(dev->n_vecs, 0);
	while (!TAILQ_EMPTY(&dev->stores))
		ims_store_destroy(TAILQ_LAST(&dev->stores, ims_store_list));
	assert_null(f->reader);
	f->v.regions[0].n_areas = 0; /* not a mapping */
	ims_vfio_fini(&f->v);
	close(f->source_fd);
	pthread_mutex_destroy(&dev->lock);
	pthread_mutex_destroy(&f->lock);
	free(dev);
	free(f);
}
