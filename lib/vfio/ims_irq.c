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

const char *ims_irq_proc = "/proc";

/* "12:  345  6  IR-PCI-MSI  524288-edge  vfio-msix[0](0000:3b:00.0)": counts of the CPUs, chip. */
static void
line_parse(const char *counts, struct ims_irq *irq)
{
	char *end;

	irq->count = 0;
	for (;;) {
		irq->count += strtoull(counts, &end, 10);
		if (end == counts)
			break;
		counts = end;
	}
	counts += strspn(counts, " ");
	snprintf(irq->chip, sizeof(irq->chip), "%.*s", (int)strcspn(counts, " "), counts);
	/* Of Intel and AMD, on all kernels. */
	irq->remapped = strncmp(irq->chip, "IR-", 3) == 0;
}

int
ims_irqs_read(char **irqs)
{
	char path[256];
	size_t size = 0;
	int rc = 0;
	FILE *f;

	*irqs = NULL;
	snprintf(path, sizeof(path), "%s/interrupts", ims_irq_proc);
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	if (getdelim(irqs, &size, '\0', f) < 0) {
		free(*irqs);
		*irqs = NULL;
		rc = feof(f) ? -ENOENT : -errno;
	}
	fclose(f);
	return rc;
}

static int
irq_find_in(const char *irqs, const char *bdf, bool msix, uint32_t vector, struct ims_irq *irq)
{
	const char *line, *at;
	char action[64], *end;
	long n;

	snprintf(action, sizeof(action), "vfio-msi%s[%u](%s)", msix ? "x" : "", vector, bdf);
	for (at = irqs; (at = strstr(at, action)) != NULL; at++) {
		for (line = at; line > irqs && line[-1] != '\n'; line--)
			;
		n = strtol(line, &end, 10);
		if (*end != ':')
			continue;
		irq->number = n;
		line_parse(end + 1, irq);
		return 0;
	}
	return -ENOENT;
}

static int
irq_find(const char *bdf, bool msix, uint32_t vector, struct ims_irq *irq)
{
	char *irqs;
	int rc;

	rc = ims_irqs_read(&irqs);
	if (irqs == NULL)
		return rc != 0 ? rc : -ENOENT;
	rc = irq_find_in(irqs, bdf, msix, vector, irq);
	free(irqs);
	return rc;
}

/* The CPUs that take it now; before Linux 4.13, that may take it. */
static void
irq_cpus(struct ims_irq *irq)
{
	static const char *const files[] = { "effective_affinity_list", "smp_affinity_list" };
	char path[256];
	unsigned int i;
	FILE *f = NULL;

	irq->cpus[0] = '\0';
	for (i = 0; i < sizeof(files) / sizeof(files[0]) && f == NULL; i++) {
		snprintf(path, sizeof(path), "%s/irq/%d/%s", ims_irq_proc, irq->number, files[i]);
		f = fopen(path, "re");
	}
	if (f == NULL)
		return;
	if (fgets(irq->cpus, sizeof(irq->cpus), f) == NULL)
		irq->cpus[0] = '\0';
	irq->cpus[strcspn(irq->cpus, "\n")] = '\0';
	fclose(f);
}

int
ims_irq_get(const char *irqs, const char *bdf, bool msix, uint32_t vector, struct ims_irq *irq)
{
	int rc = -ENOENT;

	if (irqs != NULL)
		rc = irq_find_in(irqs, bdf, msix, vector, irq);
	if (rc != 0)
		rc = irq_find(bdf, msix, vector, irq);
	if (rc == 0)
		irq_cpus(irq);
	return rc;
}

int
ims_irq_is_remapped(const char *bdf, bool msix, uint32_t vector)
{
	struct ims_irq irq;
	int rc;

	rc = irq_find(bdf, msix, vector, &irq);
	return rc != 0 ? rc : irq.remapped;
}

int
ims_irq_set_cpu(const char *bdf, bool msix, uint32_t vector, int cpu)
{
	static atomic_bool warned;
	struct ims_irq irq = { 0 };
	char path[256];
	FILE *f;
	int rc;

	rc = irq_find(bdf, msix, vector, &irq);
	if (rc != 0)
		return rc;
	snprintf(path, sizeof(path), "%s/irq/%d/smp_affinity_list", ims_irq_proc, irq.number);
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
