/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The requests that a server need not know, and those that it must not. */

#include <errno.h>
#include <stddef.h>

#include "requests.h"

#define CONFIG VFIO_PCI_CONFIG_REGION_INDEX
#define GET    VFIO_DEVICE_FEATURE_GET
#define SET    VFIO_DEVICE_FEATURE_SET
#define PROBE  VFIO_DEVICE_FEATURE_PROBE

#define MIGRATION  1u
#define MIG_STATE  2u
#define LOG_START  6u
#define LOG_REPORT 8u

#define STATE_STOP      1u
#define STATE_RUNNING   2u
#define STATE_STOP_COPY 3u
#define STATE_RESUMING  4u

/* What one message of migration data carries. */
#define MIG_DATA 64u

struct write_multi {
	uint64_t wr_cnt;
	uint64_t offset;
	uint32_t region;
	uint32_t count;
	uint64_t data;
};

struct feature {
	uint32_t argsz;
	uint32_t flags;
};

struct mig_state {
	struct feature feature;
	uint32_t device_state;
	uint32_t data_fd;
};

struct logging {
	uint32_t argsz;
	uint32_t flags;
	uint64_t page_size;
	uint32_t num_ranges;
	uint32_t reserved;
	uint64_t iova;
	uint64_t length;
};

struct log_report {
	uint32_t argsz;
	uint32_t flags;
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
};

struct mig_data {
	uint32_t argsz;
	uint32_t size;
	uint8_t data[MIG_DATA];
};

static const uint64_t never;

static verdict
check_any(const uint8_t *request)
{
	return NULL;
}

static verdict
check_empty(const uint8_t *request)
{
	return in.len == 0 ? NULL : wrong("the reply has a payload of %u bytes", in.len);
}

/* Each sub-region lies in the region, and has one of the descriptors that came along. */
static verdict
check_sub_region(const uint8_t *sub)
{
	uint64_t offset = get64(sub, 0), size = get64(sub, 8);

	if (offset > dev.region0_size || size > dev.region0_size - offset)
		return wrong("a sub-region beyond the end of its region");
	if (get32(sub, 16) >= in.n_fds)
		return wrong("descriptor %u of %u", get32(sub, 16), in.n_fds);
	return get32(sub, 20) <= 1 ? NULL : wrong("type %u", get32(sub, 20));
}

static verdict
check_io_fds(const uint8_t *request)
{
	uint32_t asked = get32(request, 0), argsz = get32(in.data, 0), count = get32(in.data, 12);
	uint32_t step, i;
	verdict v = NULL;

	if (in.len < 16 || in.len > asked)
		return wrong("%u bytes", in.len);
	if (argsz < 16 || get32(in.data, 4) != 0 || get32(in.data, 8) != get32(request, 8))
		return wrong("argsz %u, flags %u, index %u", argsz, get32(in.data, 4),
			get32(in.data, 8));
	if (argsz > asked || count == 0)
		return argsz > asked || argsz == 16 ? NULL : wrong("argsz %u of nothing", argsz);
	step = (argsz - 16) / count;
	if (in.len != argsz || step < 40)
		return wrong("%u sub-regions in %u bytes, argsz %u", count, in.len, argsz);
	for (i = 0; i < count && v == NULL; i++)
		v = check_sub_region(in.data + 16 + (size_t)i * step);
	return v;
}

static verdict
check_write_multi(const uint8_t *request)
{
	if (in.len != 8 || get64(in.data, 0) != get64(request, 0))
		return wrong("%u bytes, or not as many writes as in the request", in.len);
	return NULL;
}

static verdict
check_echo(const uint8_t *request, uint32_t len)
{
	return in.len == len && memcmp(in.data + 4, request + 4, len - 4) == 0
	               ? NULL
	               : wrong("the reply is not the payload of the request");
}

static verdict
check_migration(const uint8_t *request)
{
	if ((get32(request, 4) & PROBE) != 0)
		return check_echo(request, 8);
	if (in.len != 16 || get32(in.data, 0) != 16)
		return wrong("%u bytes, argsz %u", in.len, get32(in.data, 0));
	return (get64(in.data, 8) & VFIO_MIGRATION_STOP_COPY) != 0 ? NULL : wrong("no STOP_COPY");
}

/* A device that nobody has asked for another state runs. */
static verdict
check_mig_state(const uint8_t *request)
{
	if ((get32(request, 4) & GET) == 0)
		return check_echo(request, sizeof(struct mig_state));
	if (in.len != sizeof(struct mig_state) || get32(in.data, 8) != STATE_RUNNING)
		return wrong("%u bytes, state %u", in.len, get32(in.data, 8));
	return NULL;
}

static verdict
check_logging(const uint8_t *request)
{
	return in.len >= 24 && get32(in.data, 16) == get32(request, 16)
	               ? NULL
	               : wrong("%u bytes, or other ranges than in the request", in.len);
}

/* One page: one word. */
static verdict
check_report(const uint8_t *request)
{
	if (in.len != sizeof(struct log_report) + 8)
		return wrong("%u bytes", in.len);
	if (memcmp(in.data + 8, request + 8, 24) != 0 || (get64(in.data, 32) & ~1ull) != 0)
		return wrong("another range than in the request");
	return NULL;
}

static verdict
check_mig_read(const uint8_t *request)
{
	uint32_t size = get32(in.data, 4);

	if (in.len < 8 || size > get32(request, 4) || in.len != 8 + size)
		return wrong("%u bytes, size %u", in.len, size);
	return get32(in.data, 0) == in.len ? NULL : wrong("argsz %u", get32(in.data, 0));
}

static verdict
go_to(uint32_t state)
{
	struct mig_state to = { { sizeof(to), SET | MIG_STATE }, state, 0 };

	return granted(VFIO_USER_DEVICE_FEATURE, &to, sizeof(to));
}

verdict
go_to_running(void)
{
	return go_to(STATE_RUNNING);
}

static verdict
go_to_stop_copy(void)
{
	return go_to(STATE_STOP_COPY);
}

static verdict
go_to_resuming(void)
{
	return go_to(STATE_RESUMING);
}

static verdict
start_logging(void)
{
	struct logging log = { sizeof(log), SET | LOG_START, MAP_SIZE, 1, 0, MAP_ADDR, MAP_SIZE };
	verdict v = map_first();

	return v != NULL ? v : granted(VFIO_USER_DEVICE_FEATURE, &log, sizeof(log));
}

static const struct request io_fds_requests[] = {
	{ "good", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(vfio_user_region_io_fds, argsz, 4096) } },
	{ "argsz of all bits", ANSWERED,
		.changes = { U32(vfio_user_region_io_fds, argsz, UINT32_MAX) } },
	{ "argsz 0", BAD, .changes = { U32(vfio_user_region_io_fds, argsz, 0) } },
	{ "argsz 15", BAD, .changes = { U32(vfio_user_region_io_fds, argsz, 15) } },
	{ "one past the last region", BAD,
		.changes = { U32(vfio_user_region_io_fds, index, 0, &dev.n_regions) } },
	{ "index of all bits", BAD,
		.changes = { U32(vfio_user_region_io_fds, index, UINT32_MAX) } },
	{ "flags that must be 0", BAD, .changes = { U32(vfio_user_region_io_fds, flags, 1) } },
	{ "count that must be 0", ANSWERED, .changes = { U32(vfio_user_region_io_fds, count, 1) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request write_multi_requests[] = {
	{ "one write", GOOD },
	{ "no write", ANSWERED, -24, .changes = { U64(write_multi, wr_cnt, 0) } },
	{ "fewer than there are", ANSWERED, .changes = { U64(write_multi, wr_cnt, 0) } },
	{ "more than there are", BAD, .changes = { U64(write_multi, wr_cnt, 2) } },
	{ "wr_cnt of all bits", BAD, .changes = { U64(write_multi, wr_cnt, UINT64_MAX) } },
	{ "a size that wraps to 0", BAD, .changes = { U64(write_multi, wr_cnt, 1ull << 61) } },
	{ "no byte", ANSWERED, .changes = { U32(write_multi, count, 0) } },
	{ "eight bytes", ANSWERED,
		.changes = { U64(write_multi, offset, 0x38), U32(write_multi, count, 8) } },
	{ "nine bytes", BAD, .changes = { U32(write_multi, count, 9) } },
	{ "count of all bits", BAD, .changes = { U32(write_multi, count, UINT32_MAX) } },
	{ "the byte behind the end", BAD,
		.changes = { U64(write_multi, offset, 0, &dev.config_size) } },
	{ "an end that wraps", BAD,
		.changes = { U64(write_multi, offset, -1), U32(write_multi, count, 2) } },
	{ "one past the last region", BAD,
		.changes = { U32(write_multi, region, 0, &dev.n_regions) } },
	{ "region of all bits", BAD, .changes = { U32(write_multi, region, UINT32_MAX) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request migration_requests[] = {
	{ "got", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(feature, argsz, 4096) } },
	{ "argsz 0", BAD, .changes = { U32(feature, argsz, 0) } },
	{ "argsz 7", BAD, .changes = { U32(feature, argsz, 7) } },
	{ "argsz without room for the answer", BAD, .changes = { U32(feature, argsz, 15) } },
	{ "probed for get", GOOD, .changes = { U32(feature, flags, PROBE | GET | MIGRATION) } },
	{ "probed for set", BAD, .changes = { U32(feature, flags, PROBE | SET | MIGRATION) } },
	{ "probed for both", BAD,
		.changes = { U32(feature, flags, PROBE | GET | SET | MIGRATION) } },
	{ "probed for neither", ANSWERED, .changes = { U32(feature, flags, PROBE | MIGRATION) } },
	{ "neither got, set nor probed", BAD, .changes = { U32(feature, flags, MIGRATION) } },
	{ "got and set", REFUSED, .changes = { U32(feature, flags, GET | SET | MIGRATION) } },
	{ "set", BAD, .changes = { U32(feature, flags, SET | MIGRATION) } },
	{ "feature 0", BAD, .changes = { U32(feature, flags, GET) } },
	{ "feature of all bits", BAD, .changes = { U32(feature, flags, GET | 0xffff) } },
	{ "flags bit 19", BAD, .changes = { U32(feature, flags, 1u << 19 | GET | MIGRATION) } },
	{ "flags bit 31", BAD, .changes = { U32(feature, flags, 1u << 31 | GET | MIGRATION) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

#define STATE(n)                                \
	{                                       \
		U32(mig_state, device_state, n) \
	}

static const struct request mig_state_requests[] = {
	{ "got", GOOD,
		.changes = { U32(feature, flags, GET | MIG_STATE),
			U32(mig_state, device_state, 0) } },
	{ "stop", GOOD },
	{ "running, which it is", GOOD, .changes = STATE(STATE_RUNNING) },
	{ "stop_copy", GOOD, .changes = STATE(STATE_STOP_COPY) },
	{ "resuming", GOOD, .changes = STATE(STATE_RESUMING) },
	{ "pre_copy", ANSWERED, .changes = STATE(6) },
	{ "error", REFUSED, .changes = STATE(0) },
	{ "running_p2p", BAD, .changes = STATE(5) },
	{ "pre_copy_p2p", BAD, .changes = STATE(7) },
	{ "state 8", BAD, .changes = STATE(8) },
	{ "state of all bits", BAD, .changes = STATE(UINT32_MAX) },
	{ "data_fd", ANSWERED, .changes = { U32(mig_state, data_fd, 1) } },
	{ "no state", BAD, -8 },
	{ "part of a state", BAD, -5 },
	{ "argsz 0", BAD, .changes = { U32(feature, argsz, 0) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request leave_stop_copy_requests[] = {
	{ "stop", GOOD },
	{ "running", GOOD, .changes = STATE(STATE_RUNNING) },
	{ "pre_copy", REFUSED, .changes = STATE(6) },
	{ 0 },
};

static const struct request logging_requests[] = {
	{ "started", GOOD },
	{ "of all memory", GOOD, -16, .changes = { U32(logging, num_ranges, 0) } },
	{ "page_size 0", ANSWERED, .changes = { U64(logging, page_size, 0) } },
	{ "page_size that is no power of two", ANSWERED,
		.changes = { U64(logging, page_size, 4097) } },
	{ "more ranges than there are", BAD, .changes = { U32(logging, num_ranges, 2) } },
	{ "num_ranges of all bits", BAD, .changes = { U32(logging, num_ranges, UINT32_MAX) } },
	{ "reserved", ANSWERED, .changes = { U32(logging, reserved, 1) } },
	{ "length 0", ANSWERED, .changes = { U64(logging, length, 0) } },
	{ "an end that wraps", BAD,
		.changes = { U64(logging, iova, -MAP_SIZE), U64(logging, length, 2 * MAP_SIZE) } },
	{ "no range", BAD, -16 },
	{ 0 },
};

static const struct request report_requests[] = {
	{ "one page", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(log_report, argsz, 4096) } },
	{ "argsz without room for the bitmap", BAD, .changes = { U32(log_report, argsz, 39) } },
	{ "page_size 0", BAD, .changes = { U64(log_report, page_size, 0) } },
	{ "page_size that is no power of two", BAD,
		.changes = { U64(log_report, page_size, 4097) } },
	{ "length 0", ANSWERED, .changes = { U64(log_report, length, 0) } },
	{ "length of all bits", BAD, .changes = { U64(log_report, length, UINT64_MAX) } },
	{ "an end that wraps", BAD, .changes = { U64(log_report, iova, UINT64_MAX) } },
	{ "part of a range", BAD, -8 },
	{ 0 },
};

static const struct request refused_report_requests[] = {
	{ "refused", REFUSED },
	{ 0 },
};

static const struct request mig_read_requests[] = {
	{ "good", GOOD },
	{ "argsz larger", GOOD, .changes = { U32(mig_data, argsz, 4096) } },
	{ "no byte", ANSWERED, .changes = { U32(mig_data, size, 0) } },
	{ "argsz 0", BAD, .changes = { U32(mig_data, argsz, 0) } },
	{ "argsz 7", BAD, .changes = { U32(mig_data, argsz, 7) } },
	{ "argsz without room for the data", BAD,
		.changes = { U32(mig_data, argsz, 8 + MIG_DATA - 1) } },
	{ "size of all bits", BAD, .changes = { U32(mig_data, size, UINT32_MAX) } },
	{ "one more than max_data_xfer_size", BAD,
		.changes = { U32(mig_data, size, 1, &dev.max_data) } },
	{ "one byte more", ANSWERED, 1 },
	{ 0 },
};

static const struct request mig_write_requests[] = {
	{ "good", GOOD },
	{ "argsz 0", ANSWERED, .changes = { U32(mig_data, argsz, 0) } },
	{ "no byte", ANSWERED, -(int32_t)MIG_DATA, .changes = { U32(mig_data, size, 0) } },
	{ "less data than size", BAD, -1 },
	{ "more data than size", BAD, 1 },
	{ "size of all bits", BAD, .changes = { U32(mig_data, size, UINT32_MAX) } },
	{ 0 },
};

static const struct request wrong_state_requests[] = {
	{ "refused", REFUSED },
	{ 0 },
};

/* Not for a client to send, or not a command at all. */
static const struct request refused_requests[] = {
	{ "refused", BAD },
	{ "no payload", BAD, INT32_MIN },
	{ 0 },
};

#define MIG_STATE_GOOD                                                   \
	{                                                                \
		U32(feature, argsz, sizeof(struct mig_state)),           \
			U32(feature, flags, SET | MIG_STATE), STATE_GOOD \
	}
#define STATE_GOOD U32(mig_state, device_state, STATE_STOP)

#define REPORT_GOOD                                                                         \
	{                                                                                   \
		U32(log_report, argsz, 40), U32(log_report, flags, GET | LOG_REPORT),       \
			U64(log_report, iova, MAP_ADDR), U64(log_report, length, MAP_SIZE), \
			U64(log_report, page_size, MAP_SIZE)                                \
	}

#define MIG_DATA_GOOD                                                             \
	{                                                                         \
		U32(mig_data, argsz, 8 + MIG_DATA), U32(mig_data, size, MIG_DATA) \
	}

const struct command optional_commands[] = {
	{ "DEVICE_GET_REGION_IO_FDS", VFIO_USER_DEVICE_GET_REGION_IO_FDS, 16, &dev.io_fds,
		.good = { U32(vfio_user_region_io_fds, argsz, 16) }, io_fds_requests,
		check_io_fds },
	/* The interrupt line: any value may be kept there. */
	{ "REGION_WRITE_MULTI", VFIO_USER_REGION_WRITE_MULTI, 32, &dev.write_multi,
		.good = { U64(write_multi, wr_cnt, 1), U64(write_multi, offset, 0x3c),
			U32(write_multi, region, CONFIG), U32(write_multi, count, 1) },
		write_multi_requests, check_write_multi },
	{ "DEVICE_FEATURE MIGRATION", VFIO_USER_DEVICE_FEATURE, 8, &dev.migration,
		.good = { U32(feature, argsz, 16), U32(feature, flags, GET | MIGRATION) },
		migration_requests, check_migration },
	{ "DEVICE_FEATURE MIG_DEVICE_STATE", VFIO_USER_DEVICE_FEATURE, sizeof(struct mig_state),
		&dev.migration, go_to_running, .good = MIG_STATE_GOOD, mig_state_requests,
		check_mig_state },
	{ "DEVICE_FEATURE MIG_DEVICE_STATE in stop_copy", VFIO_USER_DEVICE_FEATURE,
		sizeof(struct mig_state), &dev.migration, go_to_stop_copy, .good = MIG_STATE_GOOD,
		leave_stop_copy_requests, check_mig_state },
	{ "DEVICE_FEATURE DMA_LOGGING_START", VFIO_USER_DEVICE_FEATURE, sizeof(struct logging),
		&dev.logging, map_first,
		.good = { U32(logging, argsz, sizeof(struct logging)),
			U32(logging, flags, SET | LOG_START), U64(logging, page_size, MAP_SIZE),
			U32(logging, num_ranges, 1), U64(logging, iova, MAP_ADDR),
			U64(logging, length, MAP_SIZE) },
		logging_requests, check_logging },
	{ "DEVICE_FEATURE DMA_LOGGING_REPORT", VFIO_USER_DEVICE_FEATURE, sizeof(struct log_report),
		&dev.logging, start_logging, .good = REPORT_GOOD, report_requests, check_report },
	{ "DEVICE_FEATURE DMA_LOGGING_REPORT of nothing", VFIO_USER_DEVICE_FEATURE,
		sizeof(struct log_report), &dev.logging, .good = REPORT_GOOD,
		refused_report_requests, check_any },
	{ "MIG_DATA_READ", VFIO_USER_MIG_DATA_READ, 8, &dev.migration, go_to_stop_copy,
		.good = MIG_DATA_GOOD, mig_read_requests, check_mig_read },
	{ "MIG_DATA_READ while running", VFIO_USER_MIG_DATA_READ, 8, &dev.migration, go_to_running,
		.good = MIG_DATA_GOOD, wrong_state_requests, check_any },
	{ "MIG_DATA_WRITE", VFIO_USER_MIG_DATA_WRITE, 8 + MIG_DATA, &dev.migration, go_to_resuming,
		.good = MIG_DATA_GOOD, mig_write_requests, check_empty },
	{ "MIG_DATA_WRITE while running", VFIO_USER_MIG_DATA_WRITE, 8 + MIG_DATA, &dev.migration,
		go_to_running, .good = MIG_DATA_GOOD, wrong_state_requests, check_any },
	{ "DMA_READ from a client", VFIO_USER_DMA_READ, 16, &never,
		.good = { U64(vfio_user_dma_access, addr, MAP_ADDR),
			U64(vfio_user_dma_access, count, 4) },
		refused_requests, check_any },
	{ "DMA_WRITE from a client", VFIO_USER_DMA_WRITE, 20, &never,
		.good = { U64(vfio_user_dma_access, addr, MAP_ADDR),
			U64(vfio_user_dma_access, count, 4) },
		refused_requests, check_any },
	{ "command 0", 0, 8, &never, .good = { { 0 } }, refused_requests, check_any },
	{ "command 14", 14, 8, &never, .good = { { 0 } }, refused_requests, check_any },
	{ "command 19", 19, 8, &never, .good = { { 0 } }, refused_requests, check_any },
	{ "command 65535", 65535, 8, &never, .good = { { 0 } }, refused_requests, check_any },
};

const size_t n_optional_commands = sizeof(optional_commands) / sizeof(optional_commands[0]);
