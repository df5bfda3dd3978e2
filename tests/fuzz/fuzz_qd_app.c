/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The application: vectors, queues, sub-devices, in any order. */

#include <string.h>

#include "fuzz_qd.h"
#include "queue_dev_private.h"

#define N_QUEUES 8
#define N_SUBS   3

struct fuzz_qd_app app;

static struct rte_ims_vec *vecs[N_VECS];
static struct rte_pmd_queue_dev_queue *queues[N_QUEUES];
static bool half_gone[N_QUEUES]; /* destroyed, perhaps */
static struct rte_pmd_queue_dev_subdev *subdevs[N_SUBS];
static bool half_gone_subdevs[N_SUBS];

static void
on_event(struct rte_ims_vec *vec, void *arg)
{
	struct rte_pmd_queue_dev_completion done[4];
	unsigned int n = (uintptr_t)arg;
	int i, got;

	fuzz_check(queues[n] != NULL);
	got = rte_pmd_queue_dev_poll(queues[n], done, RTE_DIM(done));
	fuzz_check(got >= 0 && got <= (int)RTE_DIM(done));
	for (i = 0; i < got; i++)
		fuzz_check(done[i].cookie == &queues[n]);
}

static void
vec_run(uint8_t n, uint8_t how, uint8_t more)
{
	struct rte_ims_vec_conf conf = {
		.delivery = how & 8 ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD,
	};
	struct rte_ims_store *store;

	if (vecs[n] == NULL) {
		store = rte_ims_dev_store_at(app.dev, more / 32 % app.dev->n_stores);
		vecs[n] = rte_ims_vec_alloc(
			subdevs[how / 16 % N_SUBS] != NULL && how & 4
				? rte_pmd_queue_dev_subdev_table(subdevs[how / 16 % N_SUBS])
				: rte_ims_dev_table(app.dev),
			store, more % 32 == 31 ? RTE_IMS_SLOT_ANY : more % 32u, &conf);
		fuzz_check(vecs[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
		return;
	}
	switch (how % 8) {
	case 0:
		fuzz_check_rc(rte_ims_vec_mask(vecs[n]));
		break;
	case 1:
		fuzz_check_rc(rte_ims_vec_unmask(vecs[n]));
		break;
	case 2:
	case 3:
		fuzz_check_rc(rte_ims_vec_delivery_set(
			vecs[n], how % 2 ? RTE_IMS_DELIVERY_MEMORY : RTE_IMS_DELIVERY_EVENTFD));
		break;
	case 4:
		fuzz_check_rc(rte_ims_wait_add(app.wait, vecs[n]));
		break;
	case 5:
		fuzz_check_rc(rte_ims_wait_del(app.wait, vecs[n]));
		break;
	case 6:
		rte_pmd_queue_dev_stamp(vecs[n]);
		break;
	default:
		fuzz_check(rte_ims_vec_free(vecs[n]) == 0);
		vecs[n] = NULL;
		break;
	}
}

static void
queue_create(uint8_t n, uint8_t how, uint8_t more)
{
	struct rte_pmd_queue_dev_queue_conf conf = {
		.depth = 2u << how % 4,
		.subdev = how & 8 ? subdevs[how / 16 % N_SUBS] : NULL,
		.vec = more & 8 ? vecs[more % N_VECS] : NULL,
		.fn = on_event,
		.arg = (void *)(uintptr_t)n,
	};

	queues[n] = rte_pmd_queue_dev_queue_create(app.dev, &conf);
	fuzz_check(queues[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
}

static int
queue_destroy(uint8_t n)
{
	int rc;

	rc = rte_pmd_queue_dev_queue_destroy(queues[n]);
	fuzz_check_rc(rc);
	if (rc == 0)
		queues[n] = NULL;
	half_gone[n] = rc != 0;
	return rc;
}

static void
queue_use(uint8_t n, uint8_t how, uint8_t more)
{
	struct rte_pmd_queue_dev_op op = { .cookie = &queues[n] };
	int rc;

	if (queues[n] == NULL) {
		queue_create(n, how, more);
		return;
	}
	switch (how % 4) {
	case 0:
		queue_destroy(n);
		break;
	case 1:
		fuzz_check_rc(rte_pmd_queue_dev_queue_attach(
			queues[n], more & 8 ? vecs[more % N_VECS] : NULL));
		break;
	case 2:
		rc = rte_pmd_queue_dev_submit(queues[n], &op, 1);
		fuzz_check(rc == 0 || rc == 1 || rc == -ENODEV);
		break;
	default:
		on_event(NULL, (void *)(uintptr_t)n);
		break;
	}
}

/* What the device was not told of is not in doubt. */
static void
queue_run(uint8_t n, uint8_t how, uint8_t more)
{
	const struct qd *qd = ims_dev_priv(app.dev);
	uint32_t n_lost = qd->n_lost, token = qd->token;

	queue_use(n, how, more);
	fuzz_check(qd->n_lost <= n_lost || qd->token != token);
}

static int
subdev_destroy(uint8_t n)
{
	int rc;

	rc = rte_pmd_queue_dev_subdev_destroy(subdevs[n]);
	fuzz_check_rc(rc);
	if (rc == 0)
		subdevs[n] = NULL;
	half_gone_subdevs[n] = rc != 0;
	return rc;
}

static void
subdev_run(uint8_t n)
{
	if (subdevs[n] == NULL) {
		subdevs[n] = rte_pmd_queue_dev_subdev_create(app.dev, "sub", 4);
		fuzz_check(subdevs[n] != NULL || (rte_errno > 0 && rte_errno < 4096));
		return;
	}
	subdev_destroy(n);
}

/* Vectors that a table took with it. */
static void
vecs_forget(void)
{
	struct rte_ims_table *table;
	struct rte_ims_vec *vec;
	unsigned int i;
	uint32_t k;
	bool found;

	for (i = 0; i < N_VECS; i++) {
		found = false;
		TAILQ_FOREACH(table, &app.dev->tables, next)
			for (k = 0; k < table->size && !found; k++) {
				vec = table->vecs[k];
				found = vec != NULL && vec == vecs[i];
			}
		if (!found)
			vecs[i] = NULL;
	}
}

static void
look(void)
{
	struct rte_pmd_queue_dev_eq_info eqs[2];
	struct rte_pmd_queue_dev_info info;
	char what[128];
	bool works;
	int rc;

	fuzz_check(rte_pmd_queue_dev_info_get(app.dev, &info) == 0);
	rc = rte_pmd_queue_dev_eqs_get(app.dev, eqs, RTE_DIM(eqs));
	fuzz_check(rc >= 0 && rc <= (int)info.used_eqs);
	works = fuzz_dev.n_fail == 0 && !atomic_load(&fuzz_dev.v.removed);
	rc = rte_pmd_queue_dev_error_get(app.dev, NULL);
	fuzz_check(rc >= 0 || !works);
	rc = app.dev->driver->check(app.dev, what, sizeof(what));
	fuzz_check(rc <= 1);
}

void
run(struct fuzz_in *in)
{
	uint8_t what = fuzz_u8(in), which = fuzz_u8(in), how = fuzz_u8(in), more = fuzz_u8(in);

	switch (what % 16) {
	case 0:
	case 1:
	case 2:
		hw.n_how = which % 8;
		hw.how = how % HOW_MAX;
		hw.how_arg = more;
		break;
	case 3:
		/* What does not get through is not done, as far as it knows. */
		fuzz_dev_misbehave(which % 4, how, more % 4);
		hw.liar = true;
		break;
	case 4:
		/* What could not be made again is missed until the next one. */
		if (rte_ims_dev_reset(app.dev) != 0)
			hw.liar = true;
		break;
	case 5:
		rte_ims_wait_poll(app.wait);
		break;
	case 6:
		look();
		break;
	case 7:
		hw_write(in, which, how);
		break;
	case 8:
		if (more == 0xff)
			ims_vfio_set_removed(&fuzz_dev.v);
		portals_take();
		break;
	case 9:
		subdev_run(which % N_SUBS);
		vecs_forget();
		break;
	case 10:
	case 11:
	case 12:
		vec_run(which % N_VECS, how, more);
		break;
	default:
		queue_run(which % N_QUEUES, how, more);
		break;
	}
}

void
destroy_again(bool liar)
{
	unsigned int i;
	int rc;

	for (i = 0; i < N_QUEUES; i++) {
		rc = half_gone[i] ? queue_destroy(i) : 0;
		fuzz_check(liar || rc == 0);
	}
	for (i = 0; i < N_SUBS; i++) {
		rc = half_gone_subdevs[i] ? subdev_destroy(i) : 0;
		fuzz_check(liar || rc == 0 || rc == -EBUSY);
	}
}

void
app_forget(void)
{
	memset(vecs, 0, sizeof(vecs));
	memset(queues, 0, sizeof(queues));
	memset(half_gone, 0, sizeof(half_gone));
	memset(subdevs, 0, sizeof(subdevs));
	memset(half_gone_subdevs, 0, sizeof(half_gone_subdevs));
}
