/* SPDX-License-Identifier: MIT */
/*
 * mini_agent - an agent for tests of the injection alone: keeps the contract of
 * agent/start.h (start block, worker on the given stack, HELLO, stream, DONE,
 * CANCEL, pymem_agent_start, IN_COPY), but only sends a known text, so that it
 * works in any process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent/start.h"

__attribute__((section(".pymem_start"), used)) struct pymem_start pymem_start_block = {
	.magic = PYMEM_START_MAGIC,
	.version = PYMEM_START_VERSION,
	.size = sizeof(struct pymem_start),
};

static atomic_int running;
static struct pymem_start job;

static void say(uint32_t type, uint64_t a, uint64_t b)
{
	struct pymem_msg m = { .type = type, .nonce = job.nonce, .a = a, .b = b };
	if (write(job.control_fd, &m, sizeof(m)) < 0)
		return;
}

static void stream(void)
{
	char text[4096];
	memset(text, 'p', sizeof(text));
	for (int i = 0; i < 16; i++)
		if (write(job.stream_fd, text, sizeof(text)) < 0)
			return;
}

/* Test: what a thread of the target holds, which the copy has not. */
static void take_locks(void)
{
	pthread_mutex_t *held = dlsym(RTLD_DEFAULT, "torture_mutex");
	for (int i = 0; i < 2 && held; i++) {
		pthread_mutex_lock(held);
		pthread_mutex_unlock(held);
	}
	flockfile(stderr);
	funlockfile(stderr);
}

static void run(void)
{
	if (job.skip_types[0] == '%')
		take_locks();
	say(PYMEM_MSG_HELLO, PYMEM_START_VERSION, (uint64_t)syscall(SYS_gettid));
	stream();
	close(job.stream_fd);
	if (job.skip_types[0] == '!') { /* test: stay until cancelled */
		struct pymem_msg m;
		while (read(job.command_fd, &m, sizeof(m)) < 0 && errno == EINTR)
			;
	}
	const bool linger = job.skip_types[0] == '?';
	say(PYMEM_MSG_DONE, 0, 0);
	close(job.control_fd);
	if (job.command_fd != job.control_fd)
		close(job.command_fd);
	if (linger) /* test: a thread that is slow to end */
		usleep(400000);
}

static void *worker(void *unused)
{
	(void)unused;
	sigset_t all;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "pymem-agent");
	run();
	atomic_store(&running, 0);
	return NULL;
}

__attribute__((visibility("default"))) int pymem_agent_start(
	const struct pymem_start *start)
{
	int expected = 0;
	if (start->version != PYMEM_START_VERSION || start->size != sizeof(*start))
		return -EPROTO;
	if (!atomic_compare_exchange_strong(&running, &expected, 1))
		return -EBUSY;
	job = *start;
	pthread_t thread;
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (job.stack_addr)
		pthread_attr_setstack(&attr, (void *)(uintptr_t)job.stack_addr,
				      job.stack_size);
	int error = pthread_create(&thread, &attr, worker, NULL);
	pthread_attr_destroy(&attr);
	clockid_t clock;
	if (error)
		atomic_store(&running, 0);
	else if (start->tid_addr && !pthread_getcpuclockid(thread, &clock))
		*(int32_t *)(uintptr_t)start->tid_addr = ~(clock >> 3);
	return -error;
}

__attribute__((constructor)) static void load(void)
{
	/* volatile: clang would run this at compile time, when it isn't configured yet */
	if (!*(volatile uint32_t *)&pymem_start_block.configured)
		return;
	if (pymem_start_block.file[0])
		unlink(pymem_start_block.file);
	if (pymem_start_block.flags & PYMEM_START_EXTERNAL) {
		job = pymem_start_block;
		run();
		_exit(0);
	}
	pymem_agent_start(&pymem_start_block);
}
