/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * The Linux irq behind a vector: which CPU takes it, and whether it is remapped. The kernel names
 * vfio-pci's actions "vfio-msix[N](BDF)"; sysfs' msi_irqs does not tell which vector an irq is.
 * Writing the affinity needs root: without it everything works all the same, interrupts just arrive
 * where the kernel wants them.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ims_vfio.h"
#include "ims_vfio_log.h"

struct irq {
	int number;
	/* Its chip's name: "IR-..." with interrupt remapping of Intel and AMD, on all kernels. */
	bool remapped;
};

/* Behind the number and the CPUs' counts comes the chip's name, the first word with a letter. */
static bool
chip_is_remapped(const char *counts)
{
	while (strchr(" 0123456789", *counts) != NULL && *counts != '\0')
		counts++;
	return strncmp(counts, "IR-", 3) == 0;
}

static int
irq_find(const char *bdf, bool msix, uint32_t vector, struct irq *irq)
{
	char action[64], *line = NULL, *end;
	int rc = -ENOENT;
	size_t size = 0;
	long n;
	FILE *f;

	f = fopen("/proc/interrupts", "re");
	if (f == NULL)
		return -errno;
	snprintf(action, sizeof(action), "vfio-msi%s[%u](%s)", msix ? "x" : "", vector, bdf);
	while (rc != 0 && getline(&line, &size, f) > 0) {
		n = strtol(line, &end, 10);
		if (*end != ':' || strstr(end, action) == NULL)
			continue;
		irq->number = n;
		irq->remapped = chip_is_remapped(end + 1);
		rc = 0;
	}
	free(line);
	fclose(f);
	return rc;
}

int
ims_irq_is_remapped(const char *bdf, bool msix, uint32_t vector)
{
	struct irq irq;
	int rc;

	rc = irq_find(bdf, msix, vector, &irq);
	return rc != 0 ? rc : irq.remapped;
}

int
ims_irq_set_cpu(const char *bdf, bool msix, uint32_t vector, int cpu)
{
	static atomic_bool warned;
	struct irq irq;
	char path[64];
	FILE *f;
	int rc;

	rc = irq_find(bdf, msix, vector, &irq);
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq.number);
	f = fopen(path, "we");
	if (f == NULL)
		rc = -errno;
	else if (fprintf(f, "%d\n", cpu) < 0 || fflush(f) != 0)
		rc = -errno;
	if (f != NULL && fclose(f) != 0 && rc == 0)
		rc = -errno;
	if (rc != 0 && !atomic_exchange(&warned, true))
		IMS_VFIO_LOG(NOTICE,
			"cannot set which CPU takes an interrupt (%s: %s): they arrive "
			"where the kernel wants them",
			path, strerror(-rc));
	return rc;
}
