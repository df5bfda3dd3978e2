/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* CRC-32C: known values, and the instruction, the tables and a bit at a time against each other. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "crc32c.h"

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t len);

static const crc_fn fns[] = { crc32c, crc32c_soft };

static uint32_t
bitwise(uint32_t crc, const uint8_t *p, size_t len)
{
	int k;

	crc = ~crc;
	for (; len > 0; len--, p++) {
		crc ^= *p;
		for (k = 0; k < 8; k++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

/* RFC 3720, appendix B.4, and the usual check value. */
static void
test_known(void **state)
{
	uint8_t buf[32];
	size_t i, n;

	for (i = 0; i < 2; i++) {
		assert_int_equal(fns[i](0, "123456789", 9), 0xe3069283);
		assert_int_equal(fns[i](0, "", 0), 0);
		memset(buf, 0, sizeof(buf));
		assert_int_equal(fns[i](0, buf, 32), 0x8a9136aa);
		memset(buf, 0xff, sizeof(buf));
		assert_int_equal(fns[i](0, buf, 32), 0x62a8ab43);
		for (n = 0; n < 32; n++)
			buf[n] = n;
		assert_int_equal(fns[i](0, buf, 32), 0x46dd794e);
		for (n = 0; n < 32; n++)
			buf[n] = 31 - n;
		assert_int_equal(fns[i](0, buf, 32), 0x113fdb5c);
	}
}

/* Every length and alignment, and in two parts. */
static void
test_against_bits(void **state)
{
	uint8_t buf[300];
	uint32_t expected;
	size_t i, at, len, cut;

	srand(1);
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = rand();
	for (at = 0; at < 9; at++)
		for (len = 0; len < 290; len += 1 + len / 20) {
			cut = len != 0 ? (size_t)rand() % len : 0;
			expected = bitwise(0, buf + at, len);
			for (i = 0; i < 2; i++) {
				assert_int_equal(fns[i](0, buf + at, len), expected);
				assert_int_equal(fns[i](fns[1 - i](0, buf + at, cut),
							 buf + at + cut, len - cut),
					expected);
			}
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_against_bits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
