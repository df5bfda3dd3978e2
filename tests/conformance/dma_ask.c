/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* How a device is made to ask for memory, and what its request must be. */

#include <stdlib.h>
#include <string.h>

#include <linux/pci_regs.h>

#include "dma.h"

struct recipe recipes[N_RECIPES] = {
	{ "DMA_READ", VFIO_USER_DMA_READ },
	{ "DMA_WRITE", VFIO_USER_DMA_WRITE },
};

struct recipe *recipe;
struct asked asked;
bool owed;

/*
 * REGION:OFFSET/SIZE=VALUE, VALUE being a number, IOVA or COUNT; REGION:OFFSET/SIZE? is the result.
 */
static bool
parse_step(const char *text, struct step *step, bool *is_result)
{
	char *end;

	step->acc.region = strtoul(text, &end, 0);
	if (*end != ':')
		return false;
	step->acc.offset = strtoull(end + 1, &end, 0);
	if (*end != '/')
		return false;
	step->acc.count = strtoul(end + 1, &end, 0);
	if (step->acc.count == 0 || step->acc.count > sizeof(step->value))
		return false;
	*is_result = strcmp(end, "?") == 0;
	if (*is_result)
		return true;
	if (*end++ != '=')
		return false;
	step->iova = strcmp(end, "IOVA") == 0;
	step->count = strcmp(end, "COUNT") == 0;
	if (step->iova || step->count)
		return true;
	step->value = strtoull(end, &end, 0);
	return *end == '\0';
}

bool
dma_recipe(uint16_t command, const char *text)
{
	struct recipe *r = &recipes[command == VFIO_USER_DMA_WRITE];
	char *copy = strdup(text), *save = NULL, *word;
	bool is_result, good = copy != NULL;
	struct step step;

	for (word = strtok_r(copy, ",", &save); word != NULL && good;
		word = strtok_r(NULL, ",", &save)) {
		step = (struct step){ 0 };
		good = r->n_steps < MAX_STEPS && parse_step(word, &step, &is_result);
		if (good && is_result) {
			r->result = step;
			r->has_result = true;
		} else if (good) {
			r->steps[r->n_steps++] = step;
		}
	}
	free(copy);
	return good && r->n_steps != 0;
}

int
next_message(void)
{
	if (conn_recv(ANSWER_MS) != 1)
		return -1;
	if ((in.hdr.flags & VFIO_USER_F_TYPE_MASK) == VFIO_USER_F_TYPE_REPLY) {
		owed = false;
		return 0;
	}
	asked.hdr = in.hdr;
	asked.len = in.len;
	asked.n_fds = in.n_fds;
	memcpy(&asked.acc, in.data, sizeof(asked.acc));
	return 1;
}

static void
send_step(const struct step *step, uint64_t iova, uint32_t count)
{
	uint64_t value = step->iova ? iova : step->count ? count : step->value;
	uint8_t payload[sizeof(step->acc) + sizeof(value)];

	memcpy(payload, &step->acc, sizeof(step->acc));
	memcpy(payload + sizeof(step->acc), &value, sizeof(value));
	owed = conn_request(0x5e9d, VFIO_USER_REGION_WRITE, 0, payload,
		sizeof(step->acc) + step->acc.count, NULL, 0);
}

/* A server may wait for its reply before it answers the write that made it ask. */
verdict
provoke(uint64_t iova, uint32_t count)
{
	uint32_t i;
	int rc;

	for (i = 0; i < recipe->n_steps; i++) {
		send_step(&recipe->steps[i], iova, count);
		rc = next_message();
		if (rc < 0)
			return wrong("step %u of the recipe is not answered", i + 1);
		if (rc == 1 && i + 1 < recipe->n_steps)
			return wrong("the device asks at step %u of the recipe", i + 1);
		if (rc == 0 && (in.hdr.flags & VFIO_USER_F_ERROR) != 0)
			return wrong("step %u of the recipe is refused", i + 1);
		if (rc == 1)
			return NULL;
	}
	return NULL;
}

verdict
judge_request(uint64_t from, uint64_t len, uint32_t most)
{
	bool write = recipe->command == VFIO_USER_DMA_WRITE;

	if (asked.hdr.command != recipe->command)
		return wrong("it asks by command %u", asked.hdr.command);
	if (asked.hdr.flags != 0 && asked.hdr.flags != VFIO_USER_F_NO_REPLY)
		return wrong("its flags are %#x", asked.hdr.flags);
	if (!write && asked.hdr.flags != 0)
		return wrong("it reads, and wants no reply");
	if (asked.len < sizeof(asked.acc) || asked.n_fds != 0)
		return wrong("%u bytes and %u descriptors", asked.len, asked.n_fds);
	if (asked.acc.count == 0 || asked.acc.count > most)
		return wrong("count %llu", (unsigned long long)asked.acc.count);
	if (asked.len != sizeof(asked.acc) + (write ? asked.acc.count : 0))
		return wrong("%u bytes for a count of %llu", asked.len,
			(unsigned long long)asked.acc.count);
	if (asked.acc.addr < from || asked.acc.addr - from > len - asked.acc.count)
		return wrong("address %#llx", (unsigned long long)asked.acc.addr);
	return NULL;
}

verdict
prepare(const char *json, uint64_t size)
{
	struct {
		struct vfio_user_region_access acc;
		uint16_t command;
	} __attribute__((packed)) master = {
		{ PCI_COMMAND, VFIO_PCI_CONFIG_REGION_INDEX, 2 },
		PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
	};
	struct vfio_user_dma_map map = { sizeof(map), 3, 0, MAP_ADDR, size };
	verdict v = conn_version(json, strlen(json) + 1, NULL, 0);

	owed = false;
	if (v == NULL)
		v = granted(VFIO_USER_REGION_WRITE, &master, sizeof(master));
	return v != NULL ? v : granted(VFIO_USER_DMA_MAP, &map, sizeof(map));
}

verdict
ask(void)
{
	verdict v = prepare("{}", MAP_SIZE);

	asked.len = 0;
	if (v == NULL)
		v = provoke(MAP_ADDR, COUNT);
	if (v == NULL && asked.len == 0 && next_message() != 1)
		v = wrong("it does not ask");
	if (v == NULL)
		v = judge_request(MAP_ADDR, MAP_SIZE, COUNT);
	if (v == NULL && owed && !recipe->blocks)
		recipe->blocks = next_message() != 0;
	return v;
}
