/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "e2e_queue.h"

struct rte_ims_dev *dev;
struct rte_ims_wait *set;
struct rte_pmd_queue_dev_info info;
uint8_t *buf;

int
setup(void **state)
{
	dev = e2e_open();
	assert_int_equal(rte_pmd_queue_dev_info_get(dev, &info), 0);
	set = rte_ims_wait_create("e2e", NULL);
	buf = rte_zmalloc("e2e", 1 << 20, 4096);
	return set == NULL || buf == NULL;
}

int
teardown(void **state)
{
	rte_free(buf);
	assert_int_equal(rte_ims_dev_close(dev), 0);
	return rte_ims_wait_destroy(set);
}

void
drain(struct tq *t)
{
	struct rte_pmd_queue_dev_completion done[32];
	int n, i, total = 0;

	do {
		n = rte_pmd_queue_dev_poll(t->q, done, 32);
		assert_true(n >= 0);
		for (i = 0; i < n; i++) {
			t->failed += done[i].status != 0;
			t->last_result = done[i].result;
			t->last_status = done[i].status;
			t->last_cookie = done[i].cookie;
		}
		t->done += n;
		total += n;
	} while (n == 32);
	t->empty += total == 0;
}

void
on_queue(struct rte_ims_vec *vec, void *arg)
{
	struct tq *t = arg;

	t->calls++;
	drain(t);
}

void
tq_open(struct tq *t, struct rte_ims_vec *vec, struct rte_pmd_queue_dev_subdev *subdev)
{
	struct rte_pmd_queue_dev_queue_conf conf = { .depth = DEPTH,
		.vec = vec,
		.subdev = subdev,
		.fn = vec != NULL ? on_queue : NULL,
		.arg = t };

	memset(t, 0, sizeof(*t));
	t->q = rte_pmd_queue_dev_queue_create(dev, &conf);
	if (t->q == NULL)
		print_error("queue: %s\n", rte_strerror(rte_errno));
	assert_non_null(t->q);
}

void
submit(struct tq *t, enum rte_pmd_queue_dev_op_type type, const void *src, void *dst, uint32_t len,
	uint64_t imm)
{
	struct rte_pmd_queue_dev_op op = {
		.type = type, .src = src, .dst = dst, .len = len, .imm = imm, .cookie = t
	};

	assert_int_equal(rte_pmd_queue_dev_submit(t->q, &op, 1), 1);
}

struct target {
	struct tq *t;
	uint64_t done;
};

static bool
reached(void *arg)
{
	const struct target *x = arg;

	return x->t->done >= x->done;
}

void
tq_wait(struct tq *t, uint64_t done)
{
	struct target x = { t, done };

	assert_true(e2e_wait_for(set, reached, &x, E2E_PATIENCE_NS));
}

struct rte_ims_store *
find_store(const char *name)
{
	struct rte_ims_store_info sinfo;
	struct rte_ims_store *store;
	uint32_t i;

	for (i = 0; (store = rte_ims_dev_store_at(dev, i)) != NULL; i++) {
		assert_int_equal(rte_ims_store_info_get(store, &sinfo), 0);
		if (strcmp(sinfo.name, name) == 0)
			return store;
	}
	return NULL;
}

struct rte_ims_vec *
vec_open(const char *store_name, uint32_t slot, enum rte_ims_delivery delivery)
{
	struct rte_ims_vec_conf conf = { .delivery = delivery };
	struct rte_ims_vec *vec;

	vec = rte_ims_vec_alloc(rte_ims_dev_table(dev), find_store(store_name), slot, &conf);
	if (vec == NULL && rte_errno == ENOTSUP && delivery == RTE_IMS_DELIVERY_EVENTFD)
		return NULL; /* IMS of a kernel device without MSI-X */
	assert_non_null(vec);
	assert_int_equal(rte_ims_wait_add(set, vec), 0);
	return vec;
}
