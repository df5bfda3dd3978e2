/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CRC32C_H_
#define _CRC32C_H_

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli, reflected, polynomial 0x1edc6f41). crc is that of what went before, 0 if
 * nothing did: crc32c(crc32c(0, a), b) is the CRC of a and b. By the CPU's instruction if it has
 * one.
 */
uint32_t
crc32c(uint32_t crc, const void *data, size_t len);

/* The same by tables, on any CPU. */
uint32_t
crc32c_soft(uint32_t crc, const void *data, size_t len);

#endif /* _CRC32C_H_ */
