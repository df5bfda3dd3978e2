/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Which CPU takes a Linux irq. The kernel names vfio-pci's actions "vfio-msix[N](BDF)"; the chip's
 * column and sysfs' msi_irqs do not tell which vector an irq is. Writing the affinity needs root:
 * without it everything works all the same, interrupts just arrive where the kernel wants them.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ims_vfio.h"
#include "ims_vfio_log.h"

/* The irq whose action has this name, or -ENOENT. */
static int
irq_find(const char *action)
{
	char *line = NULL, *end;
	int irq = -ENOENT;
	size_t size = 0;
	long n;
	FILE *f;

	f = fopen("/proc/interrupts", "re");
	if (f == NULL)
		return -errno;
	while (irq < 0 && getline(&line, &size, f) > 0) {
		n = strtol(line, &end, 10);
		if (*end == ':' && strstr(end, action) != NULL)
			irq = n;
	}
	free(line);
	fclose(f);
	return irq;
}

int
ims_irq_set_cpu(const char *bdf, uint32_t vector, int cpu)
{
	static atomic_bool warned;
	char name[64], path[64];
	int irq, rc = 0;
	FILE *f;

	snprintf(name, sizeof(name), "vfio-msix[%u](%s)", vector, bdf);
	irq = irq_find(name);
	if (irq < 0)
		return irq;
	snprintf(path, sizeof(path), "/proc/irq/%d/smp_affinity_list", irq);
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
