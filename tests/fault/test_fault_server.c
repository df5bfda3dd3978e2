/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright(c) 2026 The rte_ims authors
 */

/*
 * Every call that the device models and their server make into the system fails once, as those of
 * the libraries (test_fault.c). A life: a model is created, serves a client that uses what
 * there is, and another one, and is destroyed. A client may be told of the failure, or dropped; the
 * next one is served, and nothing is left behind.
 *
 * --full: each call of a place.
 */

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <linux/vfio.h>

#include <rte_common.h>

#include "../count_fds.h"
#include "fault.h"
#include "fault_client.h"
#include "fault_run.h"
#include "model.h"
#include "queue_dev_regs.h"
#include "timer_ims_regs.h"

#define MEM       0x10000000ull
#define NO_FILE   0x20000000ull
#define WINDOW    0xfee00000ull /* of messages: they come as requests */
#define N_CLIENTS 2
#define SOON      20000

static bool full;

#define TRY(expr)                     \
	do {                          \
		if ((expr) != 0)      \
			return false; \
	} while (0)

/* What clients have: memory, its file, vectors' eventfds and a pipe. */
static struct {
	volatile uint32_t *mem;
	int memfd;
	int efds[2];
	int pipe[2];
} t;
static struct sockaddr_un address = { .sun_family = AF_UNIX };

/* What a driver does of what a server has. */
static bool
use_server(struct client *c)
{
	const struct vfio_user_device_info info = { .argsz = sizeof(info) };
	const struct vfio_region_info region = { .argsz = 4096 };
	const struct vfio_user_dma_unmap unmap = {
		.argsz = sizeof(unmap), .addr = MEM, .size = CLIENT_MEM_SIZE
	};
	const uint16_t command = 0x6;

	memset((void *)(uintptr_t)t.mem, 0, CLIENT_MEM_SIZE);
	TRY(client_call(c, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)));
	TRY(client_call(c, VFIO_USER_DEVICE_GET_REGION_INFO, &region, sizeof(region)));
	TRY(client_dma_map(c, MEM, t.memfd));
	TRY(client_call(c, VFIO_USER_DMA_UNMAP, &unmap, sizeof(unmap)));
	TRY(client_dma_map(c, MEM, t.memfd));
	TRY(client_dma_map(c, NO_FILE, -1));
	TRY(client_reg_write(c, VFIO_PCI_CONFIG_REGION_INDEX, 0x4, &command, sizeof(command)));
	return true;
}

static bool
use_vectors(struct client *c)
{
	TRY(client_irqs_set(c, VFIO_IRQ_SET_DATA_EVENTFD, t.efds, 2));
	TRY(client_irqs_set(c, VFIO_IRQ_SET_DATA_NONE, NULL, 2));
	TRY(client_irqs_set(c, VFIO_IRQ_SET_DATA_EVENTFD, &t.pipe[1], 1));
	TRY(client_irqs_set(c, VFIO_IRQ_SET_DATA_NONE, NULL, 2));
	return true;
}

/* An event queue by a command, which is in memory of a file, or is read as NOP. */
static bool
use_commands(struct client *c)
{
	const struct queue_dev_ctx ctx = {
		.ring = MEM + 0x2000,
		.msg_addr = MEM + 0x3000,
		.msg_data = 1,
		.log_size = 4,
		.intr = QUEUE_DEV_INTR_OWN,
		.number = 1,
		.signature = QUEUE_DEV_CTX_SIGNATURE(QUEUE_DEV_KIND_EQ),
		.seq = 1,
	};
	const struct queue_dev_cmd cmd = { .op = QUEUE_DEV_CMD_EQ_CREATE,
		.number = 1,
		.ctx = MEM + 0x1000,
		.ctx_seq = 1,
		.token = 1 };
	const uint64_t rings[] = { MEM, NO_FILE };
	unsigned int i;

	memcpy((uint8_t *)(uintptr_t)t.mem + 0x1000, &ctx, sizeof(ctx));
	memcpy((uint8_t *)(uintptr_t)t.mem, &cmd, sizeof(cmd));
	for (i = 0; i < 2; i++) {
		TRY(client_reg_write(c, 0, QUEUE_DEV_REG_CMDQ_BASE, &rings[i], 8));
		TRY(client_reg_write32(c, QUEUE_DEV_REG_CMDQ_CTRL, 1 | 4 << 8));
		TRY(client_reg_write32(c, QUEUE_DEV_REG_CMDQ_TAIL, 1));
	}
	return true;
}

/* A stray message, which is a request to the client. */
static bool
use_messages(struct client *c)
{
	const uint64_t addr = WINDOW;

	TRY(client_reg_write32(c, QUEUE_DEV_REG_INJECT_KIND, QUEUE_DEV_INJECT_MSG_STRAY));
	TRY(client_reg_write(c, 0, QUEUE_DEV_REG_INJECT_ARG, &addr, 8));
	TRY(client_reg_write32(c, QUEUE_DEV_REG_INJECT_COUNT, 1));
	return true;
}

static bool
use_queue_dev(struct client *c)
{
	return use_vectors(c) && use_commands(c) && use_messages(c);
}

/* Timer n raises slot n + 1, once, with a message to this address. */
static bool
timer_start(struct client *c, uint32_t n, uint32_t addr)
{
	const uint32_t slot = TIMER_IMS_SLOTS_OFF + (n + 1) * TIMER_IMS_SLOT_SIZE,
		       timer = TIMER_IMS_TIMERS_OFF + n * TIMER_IMS_TIMER_SIZE;
	const uint64_t interval = 1000;

	TRY(client_reg_write32(c, slot + TIMER_IMS_SLOT_ADDR_LO, addr));
	TRY(client_reg_write32(c, slot + TIMER_IMS_SLOT_ADDR_HI, 0));
	TRY(client_reg_write32(c, slot + TIMER_IMS_SLOT_DATA, 1));
	TRY(client_reg_write32(c, slot + TIMER_IMS_SLOT_CTRL, 0));
	TRY(client_reg_write(c, 0, timer + TIMER_IMS_TIMER_INTERVAL, &interval, 8));
	TRY(client_reg_write32(c, timer + TIMER_IMS_TIMER_SLOT, n + 1));
	TRY(client_reg_write32(c, timer + TIMER_IMS_TIMER_CTRL, TIMER_IMS_TIMER_CTRL_ENABLE));
	TRY(client_reg_write32(c, TIMER_IMS_REG_TIMER_KICK, n));
	return true;
}

/* One message is stored to memory, the other is a request to the client, or fails. */
static bool
use_timer_ims(struct client *c)
{
	const struct vfio_user_device_info info = { .argsz = sizeof(info) };
	unsigned int i;

	if (!timer_start(c, 0, MEM) || !timer_start(c, 1, WINDOW))
		return false;
	for (i = 0; i < SOON && t.mem[0] == 0; i++)
		usleep(1000);
	expect(t.mem[0] == 1);
	for (i = 0; i < (fault_n_armed == 0 ? SOON : 10) && c->n_requests == 0; i++) {
		TRY(client_call(c, VFIO_USER_DEVICE_GET_INFO, &info, sizeof(info)));
		usleep(1000);
	}
	expect(c->n_requests != 0 || fault_n_armed != 0);
	return true;
}

struct kind {
	const struct model *model;
	const char *keys;
	bool (*use)(struct client *c);
	bool is_attached; /* to one client's socket */
};

static bool
client_lives(const struct kind *kind, int sock)
{
	static struct client c;
	bool good;

	good = client_open(&c, address.sun_path, sock) == 0 && use_server(&c) && kind->use(&c) &&
	       client_call(&c, VFIO_USER_DEVICE_RESET, NULL, 0) == 0;
	client_close(&c);
	return good;
}

/* Each fault costs a client at most. */
static void
clients_live(const struct kind *kind, int sock)
{
	unsigned int n_good = 0, n_bad = 0;

	while (n_good < (sock >= 0 ? 1 : N_CLIENTS) && (sock < 0 || n_bad == 0)) {
		if (client_lives(kind, sock))
			n_good++;
		else
			n_bad++;
		expect(n_bad <= fault_n_armed);
	}
}

static void *
server_thread(void *arg)
{
	vfu_run(arg);
	return NULL;
}

static void
on_watch(void *arg)
{
}

#define LEFT_MODE 0711

/* As a server that was killed leaves it, but for its mode. */
static void
leave_socket(void)
{
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	expect(bind(sock, (const struct sockaddr *)&address, sizeof(address)) == 0);
	close(sock);
	expect(chmod(address.sun_path, LEFT_MODE) == 0);
}

/* But for that one, if it could not take its place. */
static void
expect_no_file(void)
{
	struct stat st;

	if (lstat(address.sun_path, &st) < 0)
		return;
	expect((st.st_mode & 0777) == LEFT_MODE);
	unlink(address.sun_path);
}

/* 0, or the error that nobody was served for. */
static int
serve(const struct kind *kind, struct vfu *vfu)
{
	int sv[2] = { -1, -1 }, rc;
	pthread_t thread;

	if (kind->is_attached) {
		expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) == 0);
		rc = vfu_attach(vfu, sv[0]);
	} else {
		leave_socket();
		rc = vfu_listen(vfu, address.sun_path, 0600);
	}
	if (rc == 0)
		rc = vfu_watch(vfu, t.pipe[0], on_watch, NULL);
	if (rc == 0) {
		expect(pthread_create(&thread, NULL, server_thread, vfu) == 0);
		clients_live(kind, sv[1]);
		vfu_stop(vfu);
		pthread_join(thread, NULL);
	} else if (kind->is_attached) {
		close(sv[0]);
		close(sv[1]);
	}
	return rc;
}

/* 0, or less: no client came. */
static int
live(const struct kind *kind)
{
	char keys[64];
	struct model_opts opts = { .args = keys };
	void *priv;
	int rc;

	snprintf(keys, sizeof(keys), "%s", kind->keys);
	priv = kind->model->create(&opts);
	expect(priv != NULL || opts.error[0] != '\0');
	if (priv == NULL)
		return -1;
	rc = serve(kind, kind->model->vfu(priv));
	kind->model->destroy(priv);
	expect_no_file();
	return rc;
}

static int
live_queue_dev(void)
{
	return live(&(struct kind){
		&queue_dev_model, "queues=16,eqs=4,msix=4,inject=1", use_queue_dev, false });
}

static int
live_timer_ims(void)
{
	return live(&(struct kind){ &timer_ims_model, "timers=4", use_timer_ims, false });
}

static int
live_spinning(void)
{
	return live(
		&(struct kind){ &timer_ims_model, "timers=4,engine=spin", use_timer_ims, false });
}

static int
live_attached(void)
{
	return live(&(struct kind){ &queue_dev_model, "queues=16,eqs=4", use_commands, true });
}

static const struct fault_life lives[] = {
	{ "queue_dev", live_queue_dev, FAULT_MORE },
	{ "timer_ims", live_timer_ims, FAULT_MORE },
	{ "timer_ims spinning", live_spinning, FAULT_MORE },
	{ "attached", live_attached, FAULT_EACH },
};

static unsigned int fds; /* before any life */

/* Threads of the server's may be the last to give something back. */
static void
expect_nothing_left(void)
{
	unsigned int i;

	for (i = 0; i < SOON && (count_fds() != fds || fault_left() != NULL); i++)
		usleep(1000);
	fault_expect_no_memory_left();
	expect(count_fds() == fds);
}

static void
check(const struct fault *f, const struct fault *also, int rc)
{
	expect_nothing_left();
}

static void
test_server(void **state)
{
	const struct fault_run run = { lives, RTE_DIM(lives), full, expect_nothing_left, check };
	struct fault_sum sum = fault_run(&run);

	assert_true(fault_n_sites() > 60 && sum.ended_early > 40 && sum.not_met < sum.lives / 4);
}

static int
begin(void)
{
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/ims-fault-%d", (int)getpid());
	t.memfd = memfd_create("mem", MFD_CLOEXEC);
	t.efds[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	t.efds[1] = eventfd(0, EFD_CLOEXEC);
	if (t.memfd < 0 || t.efds[0] < 0 || t.efds[1] < 0 ||
		ftruncate(t.memfd, CLIENT_MEM_SIZE) < 0 ||
		pipe2(t.pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	t.mem = mmap(NULL, CLIENT_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t.memfd, 0);
	fds = count_fds();
	return t.mem != MAP_FAILED ? 0 : -1;
}

int
main(int argc, char **argv)
{
	static const char *const libraries[] = { "libims_devices", NULL };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
	};
	const char *report = getenv("FAULT_REPORT");
	int rc;

	full = argc > 1 && strcmp(argv[1], "--full") == 0;
	fault_init(libraries);
	if (begin() < 0) {
		perror("test_fault_server");
		return 1;
	}
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (report != NULL)
		fault_report(report);
	return rc;
}
