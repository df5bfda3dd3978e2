/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Requests of the server: DMA_READ and DMA_WRITE. What makes a device send them is its own affair,
 * so the user tells (a recipe: registers to write, and one that says how it ended). The request is
 * judged, and then answered in each way that it must not be: the server goes on, or closes and
 * serves the next client.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dma.h"

#define NOT_THERE 0x20000000ull

enum outcome {
	DONE,   /* the device has what it asked for */
	FAILED, /* it knows that it has not */
	EITHER,
	WAITING, /* it still waits for its reply */
};

struct answer {
	const char *name;
	enum outcome outcome;
	bool by_spec;
	uint16_t id;      /* these are added to what is right */
	uint16_t command; /* 0: the right one */
	uint32_t flags;
	uint32_t error;
	uint32_t no_len; /* payload: so many bytes, plus 1; 0: as many as is right */
	int32_t longer;
	uint64_t addr;
	uint64_t count;
	unsigned int n_fds;
};

#define NO_LEN(n) .no_len = (n) + 1

static bool
send_answer(const struct answer *a, const int *fds)
{
	static uint8_t payload[MAX_DATA + 64];
	bool read = recipe->command == VFIO_USER_DMA_READ;
	struct vfio_user_dma_access acc = asked.acc;
	uint32_t len = sizeof(acc) + (read ? acc.count : 0) + a->longer;

	if (a->no_len != 0)
		len = a->no_len - 1;
	else if ((a->flags & VFIO_USER_F_ERROR) != 0)
		len = 0;
	acc.addr += a->addr;
	acc.count += a->count;
	memcpy(payload, &acc, sizeof(acc));
	memset(payload + sizeof(acc), 0x5a, sizeof(payload) - sizeof(acc));
	struct vfio_user_header hdr = {
		.id = asked.hdr.id + a->id,
		.command = a->command != 0 ? a->command : asked.hdr.command,
		.size = sizeof(hdr) + len,
		.flags = VFIO_USER_F_TYPE_REPLY | a->flags,
		.error = a->error,
	};
	return conn_send(&hdr, sizeof(hdr), fds, a->n_fds) && conn_send(payload, len, NULL, 0);
}

/* The server goes on, on this connection or by taking the next. *on: this one. */
static verdict
goes_on(bool *on)
{
	int rc;

	*on = true;
	while (owed && *on) {
		rc = next_message();
		if (rc < 0)
			*on = false;
	}
	if (*on && conn_alive() == NULL)
		return NULL;
	*on = false;
	return conn_ready() ? conn_alive() : wrong("no connection afterwards");
}

/* How it ended, by the device's register. */
static verdict
judge_result(enum outcome outcome)
{
	uint64_t value = 0;
	verdict v;
	int tries;

	if (!recipe->has_result || outcome == EITHER)
		return NULL;
	/* What is under way may take its time, unless the reply must not have ended it. */
	for (tries = 0; tries < ANSWER_MS / 10 && value == 0; tries++) {
		v = granted(VFIO_USER_REGION_READ, &recipe->result.acc, sizeof(recipe->result.acc));
		if (v != NULL)
			return v;
		memcpy(&value, in.data + sizeof(recipe->result.acc), recipe->result.acc.count);
		if (outcome == WAITING)
			break;
		if (value == 0)
			usleep(10000);
	}
	if (outcome == WAITING)
		return value == 0 ? NULL : wrong("taken for the reply");
	if (outcome == DONE)
		return value == 1 ? NULL : wrong("the device says %#llx", (long long)value);
	return value > 1 ? NULL : wrong(value == 1 ? "taken for good" : "it still waits");
}

/* From beginning to end, all well. */
static verdict
good_exchange(void)
{
	static const struct answer good = { 0 };
	bool on = false;
	verdict v = ask();

	if (v == NULL)
		v = send_answer(&good, NULL) ? goes_on(&on) : wrong("the server hung up");
	if (v == NULL && !on)
		v = wrong("the server hung up");
	return v != NULL ? v : judge_result(DONE);
}

static const struct answer answers[] = {
	{ "answered", DONE, true },
	{ "an error", FAILED, true, .flags = VFIO_USER_F_ERROR, .error = EFAULT },
	{ "an error of number 0", FAILED, true, .flags = VFIO_USER_F_ERROR },
	{ "an error of all bits", FAILED, true, .flags = VFIO_USER_F_ERROR, .error = UINT32_MAX },
	{ "an error with a payload", EITHER, false, .flags = VFIO_USER_F_ERROR, .error = EFAULT,
		NO_LEN(16) },
	{ "an error number without the flag", EITHER, false, .error = EFAULT },
	{ "No_reply in a reply", EITHER, false, .flags = VFIO_USER_F_NO_REPLY },
	{ "flags that there are not", EITHER, false, .flags = 0xffffffc0 },
	{ "one byte more", EITHER, false, .longer = 1 },
	{ "as long as a message can be", EITHER, false, NO_LEN(16 + 65536) },
	{ "longer than a message can be", EITHER, false, NO_LEN(MAX_DATA) },
	{ "another address", FAILED, false, .addr = 8 },
	{ "address of all bits", FAILED, false, .addr = UINT64_MAX },
	{ "less count", FAILED, false, .count = UINT64_MAX },
	{ "more count", FAILED, false, .count = 1 },
	{ "more data, as count says", FAILED, false, .count = 8, .longer = 8 },
	{ "count beyond 32 bits", EITHER, false, .count = 1ull << 32 },
	{ "a surplus descriptor", EITHER, false, .n_fds = 1 },
	{ "16 surplus descriptors", EITHER, false, .n_fds = 16 },
	{ "another id", WAITING, true, .id = 1 },
	{ "an id of another generation", WAITING, true, .id = 0x100 },
	{ "the reply of another command", WAITING, false, .command = VFIO_USER_REGION_READ },
	{ "the reply of no command", WAITING, false, .command = UINT16_MAX },
	{ "type 3", EITHER, false, .flags = 2 },
	{ 0 },
};

/* Of a read, its data is less; of a write, some servers take any. */
static const struct answer short_answers[] = {
	{ "no payload", FAILED, false, NO_LEN(0) },
	{ "one byte", FAILED, false, NO_LEN(1) },
	{ "half an address and count", FAILED, false, NO_LEN(8) },
	{ "no data", FAILED, true, NO_LEN(16) },
	{ "one byte less", FAILED, true, .longer = -1 },
	{ "less data, as count says", FAILED, false, .count = UINT64_MAX, .longer = -1 },
	{ 0 },
};

static const struct answer short_write_answers[] = {
	{ "no payload", EITHER, false, NO_LEN(0) },
	{ "one byte", EITHER, false, NO_LEN(1) },
	{ "half an address and count", EITHER, false, NO_LEN(8) },
	{ "count of 4 bytes", DONE, true, NO_LEN(12) }, /* as the specification has it */
	{ 0 },
};

static verdict
run_answer(const struct answer *a)
{
	int ends[2], fds[MAX_FDS], i;
	bool on = false;
	verdict v;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wrong("%s", strerror(errno));
	for (i = 0; i < MAX_FDS; i++)
		fds[i] = ends[1];
	v = ask();
	if (v == NULL) {
		/* It may hang up on it: that is seen below. */
		send_answer(a, fds);
		if (a->outcome != WAITING || !recipe->blocks)
			v = goes_on(&on);
	}
	close(ends[1]);
	if (v == NULL && on)
		v = judge_result(a->outcome);
	/* What was not the reply does not keep the right one from being it. */
	if (v == NULL && a->outcome == WAITING && (on || recipe->blocks)) {
		send_answer(&answers[0], NULL);
		v = goes_on(&on);
		if (v == NULL && on)
			v = judge_result(DONE);
	}
	conn_close();
	if (v == NULL && !pipe_released(ends[0]))
		v = wrong("the server keeps a descriptor");
	close(ends[0]);
	return v != NULL ? v : good_exchange();
}

static verdict
twice(void)
{
	verdict v = ask();
	bool on;

	if (v == NULL && (!send_answer(&answers[0], NULL) || !send_answer(&answers[0], NULL)))
		v = wrong("the server hung up");
	if (v == NULL)
		v = goes_on(&on);
	if (v == NULL && on)
		v = judge_result(DONE);
	return v != NULL ? v : good_exchange();
}

/* "It is illegal to stall command processing indefinitely while waiting for replies." */
static verdict
never(void)
{
	verdict v = ask();

	if (v == NULL && recipe->blocks)
		v = wrong("the write that made it ask is not answered");
	if (v == NULL)
		v = conn_alive();
	if (v == NULL)
		v = judge_result(WAITING);
	return v != NULL ? v : good_exchange();
}

/* The answer that the last client owes is none to what the device asks the next one. */
static verdict
to_the_next(void)
{
	struct vfio_user_header first;
	verdict v = ask();

	first = asked.hdr;
	if (v == NULL)
		v = ask();
	if (v == NULL && first.id != asked.hdr.id) {
		struct answer old = { .id = first.id - asked.hdr.id };

		send_answer(&old, NULL);
		if (!recipe->blocks)
			v = judge_result(WAITING);
	}
	return v != NULL ? v : good_exchange();
}

static verdict
half_reply(void)
{
	struct vfio_user_header hdr;
	verdict v = ask();

	if (v == NULL) {
		hdr = asked.hdr;
		hdr.flags = VFIO_USER_F_TYPE_REPLY;
		hdr.size = sizeof(hdr) + 16 + COUNT;
		conn_send(&hdr, sizeof(hdr), NULL, 0);
		conn_send(&asked.acc, 16, NULL, 0);
		conn_close();
	}
	return v != NULL ? v : good_exchange();
}

/* The client's limits: exactly as much as it takes, and not more. */
static verdict
limit(uint32_t most, uint32_t count)
{
	char json[80];
	bool on = true;
	verdict v;

	snprintf(json, sizeof(json), "{\"capabilities\":{\"max_data_xfer_size\":%u}}", most);
	v = prepare(json, MAP_SIZE * 32);
	asked.len = 0;
	if (v == NULL)
		v = provoke(MAP_ADDR, count);
	/* A device asks more than once, or not at all. */
	while (v == NULL && on) {
		if (asked.len == 0)
			break;
		v = judge_request(MAP_ADDR, MAP_SIZE * 32, most < count ? most : count);
		if (v == NULL) {
			send_answer(&answers[0], NULL);
			asked.len = 0;
			while (owed && asked.len == 0 && next_message() >= 0)
				;
			on = asked.len != 0;
		}
	}
	if (v == NULL)
		v = goes_on(&on);
	return v != NULL ? v : good_exchange();
}

static verdict
limit_reached(void)
{
	return limit(COUNT, COUNT);
}

static verdict
limit_exceeded(void)
{
	return limit(COUNT - 1, COUNT);
}

static verdict
limit_of_one(void)
{
	return limit(1, COUNT);
}

static verdict
limit_of_64k(void)
{
	return limit(65536, 65536);
}

/* Nothing is asked for before the next request is answered. */
static verdict
silent(uint64_t iova)
{
	verdict v;

	asked.len = 0;
	v = provoke(iova, COUNT);
	if (v == NULL && asked.len == 0)
		v = conn_request(0xb055, VFIO_USER_DEVICE_GET_INFO, 0,
			    "\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16, NULL, 0) &&
		                    next_message() >= 0
		            ? NULL
		            : wrong("no answer");
	if (v == NULL && asked.len != 0)
		v = wrong("it asks for %#llx", (unsigned long long)asked.acc.addr);
	return v;
}

static verdict
not_mapped(void)
{
	verdict v = prepare("{}", MAP_SIZE);

	if (v == NULL)
		v = silent(NOT_THERE);
	return v != NULL ? v : good_exchange();
}

static verdict
unmapped(void)
{
	struct vfio_user_dma_unmap unmap = { sizeof(unmap), 0, MAP_ADDR, MAP_SIZE };
	verdict v = prepare("{}", MAP_SIZE);

	if (v == NULL)
		v = granted(VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap));
	if (v == NULL)
		v = silent(MAP_ADDR);
	return v != NULL ? v : good_exchange();
}

static verdict
no_master(void)
{
	verdict v = prepare("{}", MAP_SIZE);

	if (v == NULL)
		v = granted(VFIO_USER_REGION_WRITE, "\4\0\0\0\0\0\0\0\7\0\0\0\2\0\0\0\2", 18);
	if (v == NULL)
		v = silent(MAP_ADDR);
	return v != NULL ? v : good_exchange();
}

static const struct dma_sequence {
	const char *name;
	bool by_spec;
	verdict (*run)(void);
} sequences[] = {
	{ "answered twice", false, twice },
	{ "never answered", true, never },
	{ "never answered, and the next client's", true, to_the_next },
	{ "the client goes within its reply", false, half_reply },
	{ "as much as max_data_xfer_size", true, limit_reached },
	{ "one byte more than max_data_xfer_size", true, limit_exceeded },
	{ "max_data_xfer_size 1", true, limit_of_one },
	{ "64 KiB", true, limit_of_64k },
	{ "bus mastering is off", false, no_master },
	{ "memory that is not mapped", true, not_mapped },
	{ "memory that is mapped no more", true, unmapped },
};

static void
run_answers(const struct answer *a)
{
	for (; a->name != NULL; a++)
		if (wanted(recipe->name, a->name))
			report(recipe->name, a->name, a->by_spec, run_answer(a), NULL);
}

static void
run_recipe(void)
{
	const struct dma_sequence *s;
	size_t i;

	run_answers(answers);
	run_answers(recipe->command == VFIO_USER_DMA_READ ? short_answers : short_write_answers);
	for (i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
		s = &sequences[i];
		if (wanted(recipe->name, s->name))
			report(recipe->name, s->name, s->by_spec, s->run(), NULL);
	}
}

void
dma_run(void)
{
	size_t i;

	for (i = 0; i < N_RECIPES; i++) {
		recipe = &recipes[i];
		if (recipe->n_steps != 0)
			run_recipe();
		else if (wanted(recipe->name, "all"))
			report_skip(
				recipe->name, "all", "nobody has told how to make the device ask");
	}
}

static void
cover_answer(const struct answer *a, struct coverage *cov)
{
	const struct {
		const char *name;
		bool wrong;
	} fields[] = {
		{ "id", a->id != 0 },
		{ "command", a->command != 0 },
		{ "flags", a->flags != 0 },
		{ "error", a->error != 0 },
		{ "address", a->addr != 0 },
		{ "count", a->count != 0 },
	};
	size_t i;

	if (a->outcome == DONE)
		cov->valid++;
	if (a->no_len != 0 || a->longer != 0)
		cov->sizes++;
	if (a->n_fds != 0)
		cov->descriptors++;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].wrong)
			cover_field(cov, fields[i].name, strlen(fields[i].name));
}

bool
dma_cover(const char *group, struct coverage *cov)
{
	bool read = strcmp(group, "DMA_READ") == 0;
	const struct answer *a;

	if (!read && strcmp(group, "DMA_WRITE") != 0)
		return false;
	for (a = answers; a->name != NULL; a++)
		cover_answer(a, cov);
	for (a = read ? short_answers : short_write_answers; a->name != NULL; a++)
		cover_answer(a, cov);
	return true;
}
