/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

#ifndef _CMOCKA_TIDY_H_
#define _CMOCKA_TIDY_H_

/*
 * For clang's analyzer, which does not know of cmocka's assertions that a test ends with the first
 * that does not hold: what they mean as far as it is concerned. See check-static.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#undef assert_true
#undef assert_false
#undef assert_null
#undef assert_non_null
#undef assert_int_equal
#undef fail
#undef skip

#define assert_true(c)         ((c) ? (void)0 : abort())
#define assert_false(c)        assert_true(!(c))
#define assert_null(p)         assert_true((p) == NULL)
#define assert_non_null(p)     assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((uintmax_t)(a) == (uintmax_t)(b))
#define fail()                 abort()
#define skip()                 abort()

#endif /* _CMOCKA_TIDY_H_ */
