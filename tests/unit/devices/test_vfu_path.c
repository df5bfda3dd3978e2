/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/* Who has a path. A process of its own starts each time: who creates a file changes its umask. */

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "vfu_peer.h"
#include "vfu_priv.h"

#define N_SERVICES 8

static char path[64];
static struct vfu_file file;

static int
set_up(void **state)
{
	snprintf(path, sizeof(path), "/tmp/ims-path-%d", (int)getpid());
	return 0;
}

/* One that has bound its socket is not taken for gone, though nobody serves it yet. */
static void
test_in_use(void **state)
{
	struct vfu_file other;
	int sock = vfu_bind(path, 0640, &file);
	struct stat st;

	assert_true(sock >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0640);
	assert_int_equal(vfu_bind(path, 0600, &other), -EADDRINUSE);
	vfu_file_remove(&file);
	assert_int_equal(access(path, F_OK), -1);
	close(sock);
}

/* Somebody has removed its file by hand, and started another one. */
static void
test_of_another(void **state)
{
	struct vfu_file other;
	int first = vfu_bind(path, 0600, &file), second;

	assert_true(first >= 0);
	assert_int_equal(unlink(path), 0);
	second = vfu_bind(path, 0600, &other);
	assert_true(second >= 0);
	vfu_file_remove(&file);
	assert_int_equal(access(path, F_OK), 0);
	vfu_file_remove(&other);
	assert_int_equal(access(path, F_OK), -1);
	close(first);
	close(second);
}

/* Exits with 0 if it has the path, and has it until all know. */
static void
start_service(atomic_uint *ready, atomic_uint *done)
{
	int sock;

	atomic_fetch_add(ready, 1);
	while (atomic_load(ready) < N_SERVICES)
		usleep(100);
	sock = vfu_bind(path, 0600, &file);
	atomic_fetch_add(done, 1);
	while (atomic_load(done) < N_SERVICES)
		usleep(1000);
	_exit(sock >= 0 ? 0 : -sock);
}

/* All find what a killed one has left. */
static void
test_at_once(void **state)
{
	atomic_uint *counts = mmap(NULL, 2 * sizeof(*counts), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i, status, have = 0, left = vfu_bind(path, 0600, &file);

	assert_ptr_not_equal(counts, MAP_FAILED);
	assert_true(left >= 0);
	close(left);
	for (i = 0; i < N_SERVICES; i++) {
		if (fork() == 0)
			start_service(&counts[0], &counts[1]);
	}
	for (i = 0; i < N_SERVICES; i++) {
		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 0)
			have++;
		else
			assert_int_equal(WEXITSTATUS(status), EADDRINUSE);
	}
	assert_int_equal(have, 1);
	unlink(path);
	munmap(counts, 2 * sizeof(*counts));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_of_another),
		cmocka_unit_test(test_at_once),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
