/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* The first message: version and capabilities, of the right types and of others. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "requests.h"

#define WHOLE UINT32_MAX /* the string with its NUL */

struct version {
	const char *name;
	enum expected expected;
	uint16_t major;
	uint16_t minor;
	const char *json; /* NULL: none */
	uint32_t len;
};

#define CAPS(text) "{\"capabilities\":{" text "}}", WHOLE

static const struct version versions[] = {
	{ "without JSON", GOOD, 0, 1, NULL, 0 },
	{ "without capabilities", GOOD, 0, 1, "{}", WHOLE },
	{ "capabilities that are empty", GOOD, 0, 1, CAPS("") },
	{ "capabilities that nobody knows", GOOD_TOO, 0, 1,
		"{\"capabilities\":{\"an_unknown_one\":[1,{}]},\"more\":null}", WHOLE },
	{ "all that there are", GOOD, 0, 1,
		CAPS("\"max_msg_fds\":8,\"max_data_xfer_size\":1048576,\"max_dma_maps\":65535,"
		     "\"pgsizes\":4096,\"twin_socket\":{\"supported\":false},"
		     "\"write_multiple\":true") },
	{ "a newer minor", GOOD, 0, UINT16_MAX, "{}", WHOLE },
	{ "an older minor", GOOD, 0, 0, "{}", WHOLE },
	{ "another major", REFUSED, 1, 0, NULL, 0 },
	{ "major of all bits", REFUSED, UINT16_MAX, 1, "{}", WHOLE },
	{ "JSON without NUL", REFUSED, 0, 1, "{}", 2 },
	{ "no valid JSON", REFUSED, 0, 1, "{\"capabilities\":", WHOLE },
	{ "a NUL and nothing else", REFUSED, 0, 1, "", WHOLE },
	{ "JSON, and more behind it", ANSWERED, 0, 1, "{}{", WHOLE },
	{ "JSON, and more behind its NUL", ANSWERED, 0, 1, "{}\0{", 5 },
	{ "JSON that is an array", ANSWERED, 0, 1, "[]", WHOLE },
	{ "JSON that is a number", ANSWERED, 0, 1, "1", WHOLE },
	{ "JSON that is null", ANSWERED, 0, 1, "null", WHOLE },
	{ "JSON that is not UTF-8", ANSWERED, 0, 1, "{\"\xff\xfe\":\"\xc0\x80\"}", WHOLE },
	{ "capabilities that are a number", ANSWERED, 0, 1, "{\"capabilities\":1}", WHOLE },
	{ "capabilities that are a string", ANSWERED, 0, 1, "{\"capabilities\":\"{}\"}", WHOLE },
	{ "capabilities that are an array", ANSWERED, 0, 1, "{\"capabilities\":[{}]}", WHOLE },
	{ "capabilities that are null", ANSWERED, 0, 1, "{\"capabilities\":null}", WHOLE },
	{ "capabilities twice", ANSWERED, 0, 1, "{\"capabilities\":{},\"capabilities\":{}}",
		WHOLE },
	{ "a capability twice", ANSWERED, 0, 1, CAPS("\"max_msg_fds\":8,\"max_msg_fds\":1") },
	{ "max_msg_fds: 0", GOOD, 0, 1, CAPS("\"max_msg_fds\":0") },
	{ "max_msg_fds: a string", ANSWERED, 0, 1, CAPS("\"max_msg_fds\":\"8\"") },
	{ "max_msg_fds: negative", ANSWERED, 0, 1, CAPS("\"max_msg_fds\":-1") },
	{ "max_msg_fds: a fraction", ANSWERED, 0, 1, CAPS("\"max_msg_fds\":1.5") },
	{ "max_msg_fds: more than 64 bits", ANSWERED, 0, 1,
		CAPS("\"max_msg_fds\":18446744073709551616") },
	{ "max_msg_fds: an object", ANSWERED, 0, 1, CAPS("\"max_msg_fds\":{\"max_msg_fds\":8}") },
	{ "max_data_xfer_size: 0", ANSWERED, 0, 1, CAPS("\"max_data_xfer_size\":0") },
	{ "max_data_xfer_size: a string", ANSWERED, 0, 1, CAPS("\"max_data_xfer_size\":\"\"") },
	{ "max_data_xfer_size: negative", ANSWERED, 0, 1, CAPS("\"max_data_xfer_size\":-4096") },
	{ "max_data_xfer_size: 1e300", ANSWERED, 0, 1, CAPS("\"max_data_xfer_size\":1e300") },
	{ "max_data_xfer_size: an array", ANSWERED, 0, 1, CAPS("\"max_data_xfer_size\":[]") },
	{ "max_dma_maps: 0", ANSWERED, 0, 1, CAPS("\"max_dma_maps\":0") },
	{ "max_dma_maps: a boolean", ANSWERED, 0, 1, CAPS("\"max_dma_maps\":true") },
	{ "pgsizes: 0", ANSWERED, 0, 1, CAPS("\"pgsizes\":0") },
	{ "pgsizes: a string", ANSWERED, 0, 1, CAPS("\"pgsizes\":\"4k\"") },
	{ "write_multiple: a number", ANSWERED, 0, 1, CAPS("\"write_multiple\":1") },
	{ "twin_socket: offered", ANSWERED, 0, 1, CAPS("\"twin_socket\":{\"supported\":true}") },
	{ "twin_socket: a boolean", ANSWERED, 0, 1, CAPS("\"twin_socket\":true") },
	{ "twin_socket: fd_index in a request", ANSWERED, 0, 1,
		CAPS("\"twin_socket\":{\"supported\":true,\"fd_index\":0}") },
};

#define N_VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* A limit in a reply, if it is there: a number, and not one that nobody could keep to. */
static verdict
check_number(struct json_object *caps, const char *key, int64_t min)
{
	struct json_object *obj;

	if (!json_object_object_get_ex(caps, key, &obj))
		return NULL;
	if (!json_object_is_type(obj, json_type_int) || json_object_get_int64(obj) < min)
		return wrong("the reply's %s is %s", key, json_object_to_json_string(obj));
	return NULL;
}

/* A second socket comes if it was asked for, and then as the descriptor that is told. */
static verdict
check_twin_socket(struct json_object *caps, bool asked)
{
	struct json_object *twin, *obj;

	if (!json_object_object_get_ex(caps, "twin_socket", &twin) ||
		!json_object_object_get_ex(twin, "supported", &obj) ||
		!json_object_get_boolean(obj))
		return in.n_fds == 0 ? NULL : wrong("the reply has %u descriptors", in.n_fds);
	if (!asked)
		return wrong("a second socket that was not asked for");
	if (!json_object_object_get_ex(twin, "fd_index", &obj) ||
		!json_object_is_type(obj, json_type_int) ||
		json_object_get_int64(obj) >= in.n_fds || json_object_get_int64(obj) < 0)
		return wrong("no descriptor of the second socket");
	return NULL;
}

static verdict
check_capabilities(struct json_object *root, bool twin)
{
	struct json_object *caps;
	verdict v;

	if (!json_object_is_type(root, json_type_object))
		return wrong("the reply's JSON is no object");
	if (!json_object_object_get_ex(root, "capabilities", &caps))
		return check_twin_socket(NULL, twin);
	if (!json_object_is_type(caps, json_type_object))
		return wrong("the reply's capabilities are no object");
	v = check_number(caps, "max_msg_fds", 0);
	if (v == NULL)
		v = check_number(caps, "max_data_xfer_size", 1);
	if (v == NULL)
		v = check_number(caps, "max_dma_maps", 1);
	if (v == NULL)
		v = check_number(caps, "pgsizes", 1);
	return v != NULL ? v : check_twin_socket(caps, twin);
}

static verdict
check_reply(uint16_t minor, bool twin)
{
	struct json_object *root;
	verdict v;

	if (in.len < 4)
		return wrong("a reply of %u bytes", in.len);
	if ((get32(in.data, 0) & 0xffff) != VFIO_USER_MAJOR || get32(in.data, 0) >> 16 > minor)
		return wrong("the reply has version %u.%u", get32(in.data, 0) & 0xffff,
			get32(in.data, 0) >> 16);
	if (in.len == 4)
		return NULL;
	if (in.data[in.len - 1] != '\0')
		return wrong("the reply's JSON has no NUL");
	root = json_tokener_parse((const char *)in.data + 4);
	v = check_capabilities(root, twin);
	json_object_put(root);
	return v;
}

/* A version may be refused by the end of the connection. */
static verdict
refused_or_gone(uint32_t error)
{
	if (error != 0 && conn_alive() == NULL)
		return wrong("refused, but served");
	return conn_ready() ? conn_alive() : wrong("no connection afterwards");
}

static verdict
run(const struct version *ver, uint32_t *error)
{
	uint32_t len = ver->len == WHOLE ? strlen(ver->json) + 1 : ver->len;
	bool twin = ver->json != NULL && strstr(ver->json, "twin_socket\":{\"supported\":true");
	uint16_t number[2] = { ver->major, ver->minor };
	uint8_t payload[512];
	verdict v;
	int rc;

	memcpy(payload, number, sizeof(number));
	if (ver->json != NULL)
		memcpy(payload + 4, ver->json, len);
	if (!conn_open() || !conn_request(5, VFIO_USER_VERSION, 0, payload, 4 + len, NULL, 0))
		return wrong("no connection");
	if (ver->expected == REFUSED)
		return conn_refused(5, VFIO_USER_VERSION);
	rc = conn_recv(ANSWER_MS);
	if (rc < 0)
		return wrong("no answer");
	if (rc == 1) {
		v = conn_check(5, VFIO_USER_VERSION, error);
		if (v != NULL)
			return v;
	}
	if (rc == 1 && *error == 0) {
		v = check_reply(ver->minor, twin);
		message_drop_fds(&in);
		return v != NULL ? v : conn_alive();
	}
	if (ver->expected != ANSWERED)
		return rc == 0 ? wrong("the server hung up")
		               : wrong("refused: %s", strerror(*error));
	return refused_or_gone(*error);
}

static verdict
bytes(const void *payload, uint32_t len)
{
	if (!conn_open() || !conn_request(5, VFIO_USER_VERSION, 0, payload, len, NULL, 0))
		return wrong("no connection");
	return conn_refused(5, VFIO_USER_VERSION);
}

static verdict
cut_short(void)
{
	uint32_t len;
	verdict v = NULL;

	for (len = 0; len < 4 && v == NULL; len++)
		v = bytes("\0\0\1", len);
	return v;
}

/* Text that takes a stack as deep as it is long, and text that is long. */
static verdict
text(const char *begin, char fill, uint32_t n, const char *end)
{
	static char json[60000];
	size_t len = snprintf(json, sizeof(json), "%s", begin);
	verdict v;

	memset(json + len, fill, n);
	snprintf(json + len + n, sizeof(json) - len - n, "%s", end);
	v = conn_version(json, len + n + strlen(end) + 1, NULL, 0);
	if (v == NULL)
		return conn_alive();
	return conn_ready() ? conn_alive() : wrong("no connection afterwards");
}

static verdict
nested(void)
{
	return text("{\"capabilities\":", '[', 50000, "");
}

static verdict
long_text(void)
{
	return text("{\"capabilities\":{}", ' ', 50000, "}");
}

static verdict
long_key(void)
{
	return text("{\"", 'k', 50000, "\":0}");
}

/* Whatever becomes of the version, no descriptor is kept. */
static verdict
surplus(unsigned int n)
{
	int fds[256], ends[2];
	unsigned int i;
	verdict v;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return wrong("%s", strerror(errno));
	for (i = 0; i < n; i++)
		fds[i] = ends[1];
	v = conn_version("{}", 3, fds, n);
	close(ends[1]);
	if (v != NULL && !conn_ready())
		v = wrong("no connection afterwards");
	else
		v = conn_alive();
	if (v == NULL && !pipe_released(ends[0]))
		v = wrong("the server keeps one");
	close(ends[0]);
	return v;
}

static verdict
surplus_1(void)
{
	return surplus(1);
}

static verdict
surplus_max(void)
{
	return surplus(253); /* the kernel passes no more */
}

static verdict
late(void)
{
	struct vfio_user_device_info info = { .argsz = sizeof(info) };

	if (!conn_open())
		return wrong("no connection");
	conn_request(6, VFIO_USER_DEVICE_GET_INFO, 0, &info, sizeof(info), NULL, 0);
	return conn_refused(6, VFIO_USER_DEVICE_GET_INFO);
}

static verdict
twice(void)
{
	if (!conn_ready())
		return wrong("no connection");
	conn_request(6, VFIO_USER_VERSION, 0, "\0\0\1", 4, NULL, 0);
	return conn_refused(6, VFIO_USER_VERSION);
}

/* Descriptors of regions come only to a client that takes as many. */
static verdict
region_fds(const char *json, uint32_t len, uint32_t most)
{
	struct vfio_region_info info;
	verdict v = conn_version(json, len, NULL, 0);
	uint32_t i;

	for (i = 0; i < dev.n_regions && v == NULL; i++) {
		info = (struct vfio_region_info){ .argsz = 4096, .index = i };
		v = granted(VFIO_USER_DEVICE_GET_REGION_INFO, &info, sizeof(info));
		if (v == NULL && in.n_fds > most)
			v = wrong("region %u comes with %u descriptors", i, in.n_fds);
		message_drop_fds(&in);
	}
	return v;
}

static verdict
region_fds_0(void)
{
	static const char json[] = "{\"capabilities\":{\"max_msg_fds\":0}}";

	return region_fds(json, sizeof(json), 0);
}

static verdict
region_fds_1(void)
{
	return region_fds("{}", 3, 1);
}

static const struct sequence sequences[] = {
	{ "VERSION", "cut short", false, cut_short },
	{ "VERSION", "50,000 brackets", false, nested },
	{ "VERSION", "50,000 spaces", false, long_text },
	{ "VERSION", "a key of 50,000 characters", false, long_key },
	{ "VERSION", "surplus descriptor", false, surplus_1 },
	{ "VERSION", "253 surplus descriptors", false, surplus_max },
	{ "VERSION", "not the first request", true, late },
	{ "VERSION", "a second one", false, twice },
	{ "VERSION", "max_msg_fds 0 is kept to", true, region_fds_0 },
	{ "VERSION", "no max_msg_fds: 1", true, region_fds_1 },
};

void
version_run(void)
{
	const struct version *ver;
	uint32_t error;
	verdict v;
	size_t i;

	for (i = 0; i < N_VERSIONS; i++) {
		ver = &versions[i];
		if (!wanted("VERSION", ver->name))
			continue;
		error = 0;
		v = run(ver, &error);
		report("VERSION", ver->name, ver->expected == GOOD || ver->expected == REFUSED, v,
			error != 0 ? strerror(error) : NULL);
	}
	run_sequences(sequences, sizeof(sequences) / sizeof(sequences[0]));
}

/* A case is named for the capability that it is about, if it is about one. */
static void
cover_version(const struct version *ver, struct coverage *cov)
{
	const char *colon = strchr(ver->name, ':');

	if (ver->expected == GOOD || ver->expected == GOOD_TOO)
		cov->valid++;
	if (colon != NULL)
		cover_field(cov, ver->name, colon - ver->name);
	else if (ver->major != VFIO_USER_MAJOR)
		cover_field(cov, "major", 5);
	else if (ver->minor != VFIO_USER_MINOR)
		cover_field(cov, "minor", 5);
	else if (strncmp(ver->name, "capabilities", 12) == 0)
		cover_field(cov, "capabilities", 12);
	else
		cover_field(cov, "JSON", 4);
}

bool
version_cover(const char *group, struct coverage *cov)
{
	size_t i;

	if (strcmp(group, "VERSION") != 0)
		return false;
	for (i = 0; i < N_VERSIONS; i++)
		cover_version(&versions[i], cov);
	cov->sizes = 4 + 3; /* cut_short(), nested() and its two neighbours */
	cov->descriptors = 2;
	return true;
}
