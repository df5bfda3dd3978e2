/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Device model queue_dev: thousands of queues whose interrupt messages lie in their contexts,
 * beside an MSI-X table. Its life: keys, memory, reset. queue_dev_model.h says where the rest is.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queue_dev_model.h"

/* Section 9. */
void
qd_reset(struct queue_dev *d)
{
	d->halted = false;
	qd_timers_reset(d);
	qd_inject_reset(d);
	qd_portals_reset(d);
	qd_objects_reset(d);
	vfu_msix_forget(d->vfu);
	qd_intr_reset(d);
	memset(&d->cmdq, 0, sizeof(d->cmdq));
	d->cmdq.held = QD_NONE;
	d->error = d->db_high = 0;
	d->error_arg = 0;
	d->completions = d->n_eqes = d->events = d->doorbells = d->commands = d->sleeps = 0;
	atomic_store(&d->work, false);
	d->resets++;
	qd_publish(d);
}

static void
on_reset(void *priv)
{
	qd_reset(priv);
}

/* Section 2.3: what was held back goes on. */
static void
on_bus_master(void *priv, bool on)
{
	struct queue_dev *d = priv;

	if (!on || d->halted)
		return;
	qd_intr_flush(d);
	qd_events_flush(d);
	qd_cmdq_run(d);
	atomic_store(&d->work, d->run_first != QD_NONE);
	qd_engine_kick(d);
}

static void
queue_dev_dump(void *priv)
{
	struct queue_dev *d = priv;
	const struct vfu_stats *s = vfu_stats(d->vfu);
	uint32_t i, subdevs = 0, eqs = 0, queues = 0;

	for (i = 1; i <= d->n_subdevs; i++)
		subdevs += d->subdevs[i].there;
	for (i = 0; i < d->n_eqs; i++)
		eqs += d->eqs[i].state != QUEUE_DEV_CTX_STATE_NONE;
	for (i = 0; i < d->n_queues; i++)
		queues += d->queues[i].state != QUEUE_DEV_CTX_STATE_NONE;
	fprintf(stderr,
		"queue_dev: subdevs %u, eqs %u, queues %u, completions %" PRIu64 ", eqes %" PRIu64
		", events %" PRIu64 ", doorbells %" PRIu64 ", commands %" PRIu64 ", sleeps %" PRIu64
		", resets %u; messages: memory %" PRIu64 ", eventfd %" PRIu64 ", socket %" PRIu64
		", merged %" PRIu64 ", faulted %" PRIu64 "; requests %" PRIu64 ", refused %" PRIu64
		"\n",
		subdevs, eqs, queues, d->completions, d->n_eqes, d->events, d->doorbells,
		d->commands, d->sleeps, d->resets, s->msgs_memory, s->msgs_eventfd, s->msgs_socket,
		s->msgs_merged, s->msgs_faulted, s->requests, s->errors);
}

static const struct vfu_model_ops queue_dev_ops = {
	.bar_read = qd_bar_read,
	.bar_write = qd_bar_write,
	.reset = on_reset,
	.bus_master = on_bus_master,
};

static int
memory_init(struct queue_dev *d)
{
	d->memfd = memfd_create("queue_dev", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (d->memfd < 0 || ftruncate(d->memfd, QUEUE_DEV_BAR_SIZE) < 0)
		return -errno;
	/* A client that maps it need not fear that it gets shorter. */
	if (fcntl(d->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	d->bar = mmap(NULL, QUEUE_DEV_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, d->memfd, 0);
	if (d->bar == MAP_FAILED) {
		d->bar = NULL;
		return -errno;
	}
	d->cells = (_Atomic(uint64_t) *)(d->bar + QUEUE_DEV_PORTALS_OFF);
	d->stamps = (_Atomic(uint64_t) *)(d->bar + QUEUE_DEV_STAMPS_OFF);
	d->asleep = (_Atomic(uint32_t) *)(d->bar + QUEUE_DEV_STATUS_OFF + QUEUE_DEV_STATUS_ASLEEP);
	d->subdevs = calloc(d->n_subdevs + 1, sizeof(*d->subdevs));
	d->eqs = calloc(d->n_eqs, sizeof(*d->eqs));
	d->queues = calloc(d->n_queues, sizeof(*d->queues));
	if (d->subdevs == NULL || d->eqs == NULL || d->queues == NULL)
		return -ENOMEM;
	return timer_heap_init(&d->heap, d->n_slots + QD_MAX_ACTIONS);
}

static int
vfu_init(struct queue_dev *d, bool trace)
{
	struct vfu_conf conf = {
		.name = "queue_dev",
		.vendor_id = QUEUE_DEV_PCI_VENDOR_ID,
		.device_id = QUEUE_DEV_PCI_DEVICE_ID,
		.revision = QUEUE_DEV_PCI_REVISION,
		.class_code = QUEUE_DEV_PCI_CLASS,
		.n_msix = d->n_msix,
		.msix_bar = QUEUE_DEV_MSIX_BAR,
		.msix_table = QUEUE_DEV_MSIX_TABLE,
		.msix_pba = QUEUE_DEV_MSIX_PBA,
		.ops = &queue_dev_ops,
		.priv = d,
		.trace = trace,
	};
	struct vfu_bar *bar = &conf.bars[QUEUE_DEV_BAR];

	bar->size = QUEUE_DEV_BAR_SIZE;
	bar->is_64bit = true;
	bar->fd = d->memfd;
	if (d->mappable) {
		bar->n_areas = 3;
		bar->areas[0] = (struct vfu_area){ QUEUE_DEV_STATUS_OFF, QUEUE_DEV_STATUS_LEN };
		bar->areas[1] = (struct vfu_area){ QUEUE_DEV_PORTALS_OFF, QUEUE_DEV_PORTALS_LEN };
		bar->areas[2] = (struct vfu_area){ QUEUE_DEV_STAMPS_OFF, QUEUE_DEV_STAMPS_LEN };
	}
	if (d->n_msix != 0) {
		bar = &conf.bars[QUEUE_DEV_MSIX_BAR];
		bar->size = QUEUE_DEV_MSIX_SIZE;
		bar->is_64bit = true;
		bar->fd = -1;
	}
	d->vfu = vfu_create(&conf);
	return d->vfu != NULL ? qd_intr_init(d) : -errno;
}

static void
queue_dev_destroy(void *priv)
{
	struct queue_dev *d = priv;
	uint32_t i;

	qd_engine_fini(d);
	if (d->vfu != NULL)
		vfu_destroy(d->vfu);
	msi_port_fini(&d->port);
	for (i = 0; d->eqs != NULL && i < d->n_eqs; i++)
		free(d->eqs[i].owner);
	timer_heap_fini(&d->heap);
	if (d->bar != NULL)
		munmap(d->bar, QUEUE_DEV_BAR_SIZE);
	if (d->memfd >= 0)
		close(d->memfd);
	free(d->subdevs);
	free(d->eqs);
	free(d->queues);
	free(d->intrs);
	free(d);
}

enum key {
	QUEUES,
	SUBDEVS,
	EQS,
	MSIX,
	IMS,
	ENGINE,
	IDLE_US,
	CPU,
	INJECT,
	MMAP,
	N_KEYS,
};

static const struct {
	const char *name;
	unsigned long min;
	unsigned long max;
} keys[N_KEYS] = {
	[QUEUES] = { "queues", 1, QUEUE_DEV_MAX_QUEUES },
	[SUBDEVS] = { "subdevs", 1, QUEUE_DEV_MAX_SUBDEVS },
	[EQS] = { "eqs", 1, QUEUE_DEV_MAX_EQS },
	[MSIX] = { "msix", 0, QUEUE_DEV_MAX_MSIX },
	[IMS] = { "ims", 0, 1 },
	[ENGINE] = { "engine", 0, 0 },
	[IDLE_US] = { "idle_us", 0, 10000000 },
	[CPU] = { "cpu", 0, 1023 },
	[INJECT] = { "inject", 0, 1 },
	[MMAP] = { "mmap", 0, 1 },
};

static bool
parse_engine(struct queue_dev *d, struct model_opts *opts, const char *val)
{
	d->engine = val != NULL && strcmp(val, "poll") == 0 ? QD_ENGINE_POLL : QD_ENGINE_SLEEP;
	if (d->engine == QD_ENGINE_POLL || (val != NULL && strcmp(val, "sleep") == 0))
		return true;
	snprintf(opts->error, sizeof(opts->error), "engine=%.60s: expected sleep or poll",
		val != NULL ? val : "");
	return false;
}

static void
apply(struct queue_dev *d, enum key key, unsigned long n)
{
	switch (key) {
	case QUEUES:
		d->n_queues = n;
		break;
	case SUBDEVS:
		d->n_subdevs = n;
		break;
	case EQS:
		d->n_eqs = n;
		break;
	case MSIX:
		d->n_msix = n;
		break;
	case IMS:
		d->ims = n != 0;
		break;
	case IDLE_US:
		d->idle_us = n;
		break;
	case CPU:
		d->cpu = n;
		break;
	case INJECT:
		d->inject = n != 0;
		break;
	default:
		d->mappable = n != 0;
		break;
	}
}

static bool
parse(struct queue_dev *d, struct model_opts *opts)
{
	char *tokens[N_KEYS + 1] = { NULL };
	char *args = opts->args, *val, *word;
	unsigned long n = 0;
	int key;

	for (key = 0; key < N_KEYS; key++)
		tokens[key] = (char *)(uintptr_t)keys[key].name;
	while (args != NULL && *args != '\0') {
		word = args;
		key = getsubopt(&args, tokens, &val);
		if (key < 0) {
			snprintf(opts->error, sizeof(opts->error),
				"unknown key '%.60s', expected queues, subdevs, eqs, msix, ims, "
				"engine, idle_us, cpu, inject or mmap",
				word);
			return false;
		}
		if (key == ENGINE && !parse_engine(d, opts, val))
			return false;
		if (key == ENGINE)
			continue;
		if (!model_number(opts, keys[key].name, val, keys[key].min, keys[key].max, &n))
			return false;
		apply(d, key, n);
	}
	if (!d->ims && d->n_msix == 0) {
		snprintf(opts->error, sizeof(opts->error),
			"ims=0,msix=0: expected one of them, or nothing could interrupt");
		return false;
	}
	d->n_slots = QUEUE_DEV_SLOT_QUEUE(d->n_eqs, d->n_queues);
	return true;
}

static void *
queue_dev_create(struct model_opts *opts)
{
	struct queue_dev *d;
	int rc;

	d = calloc(1, sizeof(*d));
	if (d == NULL) {
		snprintf(opts->error, sizeof(opts->error), "out of memory");
		return NULL;
	}
	d->memfd = d->cpu = -1;
	d->n_queues = QUEUE_DEV_MAX_QUEUES;
	d->n_subdevs = QUEUE_DEV_MAX_SUBDEVS;
	d->n_eqs = QUEUE_DEV_MAX_EQS;
	d->n_msix = 64;
	d->idle_us = 50;
	d->usec_ns = 1000;
	d->ims = d->mappable = true;
	atomic_store(&d->deadline, UINT64_MAX);
	if (!parse(d, opts)) {
		free(d);
		return NULL;
	}
	rc = memory_init(d);
	if (rc == 0)
		rc = vfu_init(d, opts->trace);
	if (rc == 0) {
		qd_reset(d);
		d->resets = 0;
		qd_publish(d);
		rc = qd_engine_init(d);
	}
	if (rc != 0) {
		snprintf(opts->error, sizeof(opts->error), "queue_dev: %s", strerror(-rc));
		queue_dev_destroy(d);
		return NULL;
	}
	return d;
}

static struct vfu *
queue_dev_vfu(void *priv)
{
	return ((struct queue_dev *)priv)->vfu;
}

const struct model queue_dev_model = {
	.name = "queue_dev",
	.help = "  queues=N         1..16384, default 16384\n"
		"  subdevs=N        1..1024, default 1024\n"
		"  eqs=N            1..256, default 256: event queues\n"
		"  msix=N           0..2048, default 64: MSI-X vectors\n"
		"  ims=0            no messages of queues' own, MSI-X only; default 1\n"
		"  engine=sleep     sleep when there is nothing to do (default), or\n"
		"  engine=poll      look at the doorbells all the time\n"
		"  idle_us=N        time without work before it sleeps, default 50\n"
		"  cpu=N            pin what does the work to this CPU\n"
		"  inject=1         hazards can be injected, default 0\n"
		"  mmap=0           trap all of the BAR, default 1: doorbells can be mapped\n",
	.create = queue_dev_create,
	.destroy = queue_dev_destroy,
	.dump = queue_dev_dump,
	.vfu = queue_dev_vfu,
};
