/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * One request, one answer: for each command a request that is good, and what becomes of it when one
 * field of it is not. A case is that request with some fields changed, a length, and descriptors.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "requests.h"

static void
apply(uint8_t *payload, const struct change *c, size_t n)
{
	uint64_t val;

	for (; n-- != 0 && c->size != 0; c++) {
		val = c->value + (c->plus != NULL ? *c->plus : 0);
		memcpy(payload + c->at, &val, c->size);
	}
}

/* Descriptors of the kind. Only the caller's copies are left to close. */
static unsigned int
make_fds(enum carried kind, unsigned int n, int fds[MAX_FDS])
{
	int ends[2];
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (kind == EVENTS) {
			fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		} else if (kind == USELESS && pipe2(ends, O_CLOEXEC) == 0) {
			close(ends[0]);
			fds[i] = ends[1];
		} else {
			fds[i] = memfd_create("conformance", MFD_CLOEXEC);
			if (ftruncate(fds[i], MAP_SIZE) < 0)
				break;
		}
	}
	return i;
}

verdict
granted(uint16_t number, const void *payload, uint32_t len)
{
	uint32_t error = 0;
	verdict v;

	conn_request(2, number, 0, payload, len, NULL, 0);
	v = conn_reply(2, number, &error);
	return v == NULL && error != 0 ? wrong("command %u is refused: %s", number, strerror(error))
	                               : v;
}

verdict
map_first(void)
{
	struct vfio_user_dma_map map = { sizeof(map), 3, 0, MAP_ADDR, MAP_SIZE };

	return granted(VFIO_USER_DMA_MAP, &map, sizeof(map));
}

/* What the server does not know: its refusal says that, or that the payload is wrong. */
static verdict
judge_unknown(uint32_t error)
{
	if (error == 0)
		return wrong("accepted");
	return error == EOPNOTSUPP || error == ENOTTY || error == ENOSYS || error == EINVAL
	               ? NULL
	               : wrong("refused, but by %s", strerror(error));
}

static verdict
judge(const struct command *c, const struct request *r, const uint8_t *payload, uint32_t error)
{
	bool must = r->expected == GOOD || r->expected == GOOD_TOO;

	if (error == 0 && (r->expected == REFUSED || r->expected == BAD))
		return wrong("accepted");
	if (error == 0)
		return c->check(payload);
	if (must)
		return wrong("refused: %s", strerror(error));
	if (r->error != 0 && error != r->error)
		return wrong("refused, but by %s", strerror(error));
	return NULL;
}

static bool
offered(const struct command *c)
{
	return c->offered == NULL || *c->offered != 0;
}

/* A connection, and the device in the state that the command is for. */
static verdict
ready(const struct command *c)
{
	if (!conn_ready())
		return wrong("no connection");
	return c->before != NULL && offered(c) ? c->before() : NULL;
}

/* Afterwards, whether it was granted or not. */
static verdict
alive(const struct command *c)
{
	if (c->offered == &dev.migration && offered(c))
		go_to_running(); /* unless it cannot, of which the next line tells */
	return conn_alive();
}

static uint32_t
request_len(const struct command *c, const struct request *r)
{
	return r->longer == INT32_MIN ? 0 : c->len + r->longer;
}

static verdict
run(const struct command *c, const struct request *r, uint32_t *error)
{
	uint8_t payload[MAX_PAYLOAD] = { 0 };
	int fds[MAX_FDS];
	unsigned int n_fds, i;
	verdict v = ready(c);

	if (v != NULL)
		return v;
	apply(payload, c->good, MAX_GOOD);
	apply(payload, r->changes, MAX_CHANGES);
	n_fds = make_fds(r->carried, r->n_fds, fds);
	conn_request(0xffff, c->number, 0, payload, request_len(c, r), fds, n_fds);
	for (i = 0; i < n_fds; i++)
		close(fds[i]);
	v = conn_reply(0xffff, c->number, error);
	if (v == NULL)
		v = offered(c) ? judge(c, r, payload, *error) : judge_unknown(*error);
	message_drop_fds(&in);
	return v != NULL ? v : alive(c);
}

static void
run_requests(const struct command *c)
{
	const struct request *r;
	uint32_t error;
	verdict v;

	for (r = c->requests; r->name != NULL; r++) {
		if (!wanted(c->name, r->name))
			continue;
		if (r->vectors > dev.n_vectors) {
			report_skip(c->name, r->name, "the device has too few vectors");
			continue;
		}
		error = 0;
		v = run(c, r, &error);
		report(c->name, r->name,
			offered(c) && r->expected != BAD && r->expected != GOOD_TOO, v,
			error != 0 ? strerror(error) : NULL);
	}
}

/* A payload that ends early, at each of its bytes. */
static void
run_cut(const struct command *c)
{
	uint8_t payload[MAX_PAYLOAD] = { 0 };
	uint32_t len, error = 0;
	verdict v = NULL;

	if (c->len == 0 || !wanted(c->name, "cut short"))
		return;
	apply(payload, c->good, MAX_GOOD);
	for (len = 0; len < c->len && v == NULL; len++) {
		v = ready(c);
		if (v != NULL)
			break;
		conn_request(0, c->number, 0, payload, len, NULL, 0);
		v = conn_reply(0, c->number, &error);
		if (v == NULL && error == 0)
			v = wrong("%u of %u bytes are accepted", len, c->len);
		if (v == NULL)
			v = alive(c);
	}
	report(c->name, "cut short", false, v, NULL);
}

/* A descriptor that the command does not take: whatever the answer, the server must not keep it. */
static void
run_surplus(const struct command *c)
{
	uint8_t payload[MAX_PAYLOAD] = { 0 };
	uint32_t error;
	verdict v;
	int ends[2];

	if (!wanted(c->name, "surplus descriptor"))
		return;
	v = pipe2(ends, O_CLOEXEC) == 0 ? ready(c) : wrong("no pipe");
	if (v != NULL) {
		report(c->name, "surplus descriptor", false, v, NULL);
		return;
	}
	apply(payload, c->good, MAX_GOOD);
	conn_request(7, c->number, 0, payload, c->len, &ends[1], 1);
	close(ends[1]);
	v = conn_reply(7, c->number, &error);
	if (v == NULL)
		v = alive(c);
	if (v == NULL && !pipe_released(ends[0]))
		v = wrong("the server keeps it");
	close(ends[0]);
	report(c->name, "surplus descriptor", false, v, NULL);
}

/* With No_reply nothing comes, be it granted or refused, and it is done before what comes next. */
static void
run_no_reply(const struct command *c)
{
	uint8_t payload[MAX_PAYLOAD] = { 0 };
	verdict v;

	if (!wanted(c->name, "No_reply"))
		return;
	v = ready(c);
	if (v != NULL) {
		report(c->name, "No_reply", true, v, NULL);
		return;
	}
	apply(payload, c->good, MAX_GOOD);
	conn_request(8, c->number, VFIO_USER_F_NO_REPLY, payload, c->len, NULL, 0);
	conn_request(9, c->number, VFIO_USER_F_NO_REPLY, payload, c->len / 2, NULL, 0);
	v = alive(c);
	report(c->name, "No_reply", true, v, NULL);
}

static void
run_commands(const struct command *c, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		run_requests(&c[i]);
		if (i != 0 && c[i].number == c[i - 1].number)
			continue;
		run_cut(&c[i]);
		run_surplus(&c[i]);
		run_no_reply(&c[i]);
	}
}

void
requests_run(void)
{
	run_commands(commands, n_commands);
	run_commands(optional_commands, n_optional_commands);
}

static void
cover_request(const struct request *r, struct coverage *cov)
{
	const struct change *c;

	if (r->expected == GOOD || r->expected == GOOD_TOO)
		cov->valid++;
	if (r->longer != 0)
		cov->sizes++;
	if (r->n_fds != 0)
		cov->descriptors++;
	for (c = r->changes; c < r->changes + MAX_CHANGES && c->size != 0; c++)
		cover_field(cov, c->field, strlen(c->field));
}

/*
 * "cut short" ends the payload at each of its bytes; it is done once for a command, as "surplus"
 * is.
 */
static bool
cover(const struct command *c, size_t n, const char *group, struct coverage *cov)
{
	const struct request *r;
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(c[i].name, group) != 0)
			continue;
		for (r = c[i].requests; r->name != NULL; r++)
			cover_request(r, cov);
		if (i == 0 || c[i].number != c[i - 1].number) {
			cov->sizes += c[i].len;
			cov->descriptors++;
		}
		return true;
	}
	return false;
}

bool
requests_cover(const char *group, struct coverage *cov)
{
	return cover(commands, n_commands, group, cov) ||
	       cover(optional_commands, n_optional_commands, group, cov);
}
