/* SPDX-License-Identifier: MIT */
/*
 * agent - libpymemagent.so's way in: the constructor and the one exported
 * function, both described in start.h.
 *
 * The constructor runs under the dynamic loader's lock, on a thread that was
 * stopped in the middle of something else (injected) or before the program began
 * (LD_PRELOAD).  It does the least possible: in a process that it has no business
 * in, a few loads and a scan of the environment; else it starts one thread.
 *
 * One job at a time (busy.h).
 */
#include "agent/start.h"

#include <string.h>

#include "agent/base/busy.h"
#include "agent/base/libc_arena.h"
#include "agent/snap/capture.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"
#include "agent/trigger/trigger.h"
#include "agent/base/worker.h"

/* The loader finds this by its magic in the file and fills it in (start.h). */
__attribute__((section(".pymem_start"), used,
	       aligned(16))) volatile struct pymem_start pymem_start_block = {
	.magic = PYMEM_START_MAGIC,
	.version = PYMEM_START_VERSION,
	.size = sizeof(struct pymem_start),
};

static struct {
	struct pymem_start start;
	struct capture capture;
	struct worker worker;
	bool ran;     /* to its end: CPython did not end the thread */
	int borrowed; /* thread that the loader stopped to load us, 0 = none */
} job;

enum { RELEASE_STEP_US = 200, RELEASE_TRIES = 500 };

/*
 * Waits, a tenth of a second at most, until the loader has let go of the thread it
 * borrowed.  A fork before that would make its way out of dlopen wait for the
 * whole copying of page tables: it needs the same lock (mmap_lock) for every page it
 * touches, and would be stopped that much longer.  Where we see no /proc, the text of
 * the mappings (pymem_start.maps_addr) is what the loader writes last.
 */
static void job_await_release(int tid, uint64_t maps_addr)
{
	const volatile uint64_t *maps = (const volatile uint64_t *)(uintptr_t)maps_addr;
	static const char field[] = "TracerPid:\t0\n";
	const struct timespec step = { .tv_nsec = RELEASE_STEP_US * 1000 };
	char path[64], buf[2048];
	struct text t;

	text_init(&t, path, sizeof(path));
	text_str(&t, "/proc/self/task/");
	text_u64(&t, (uint64_t)tid);
	text_str(&t, "/status");
	for (int tries = 0; tid && tries < RELEASE_TRIES; tries++) {
		if (maps ? *maps != 0 :
			   sys_read_file(path, buf, sizeof(buf)) <= 0 ||
				    strstr(buf, field))
			return;
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &step, NULL);
	}
}

static void job_run(void *arg)
{
	(void)arg;
	job.ran = false;
	job_await_release(job.borrowed, job.start.maps_addr);
	capture_run(&job.capture);
	job.ran = true;
}

/* Last act on the worker, even when CPython ended the thread under us. */
static void job_over(void *arg)
{
	struct capture ended = job.capture;
	const bool ran = job.ran;

	(void)arg;
	/* whoever hears DONE, or sees the channels close, may ask again */
	busy_release();
	if (ran)
		capture_done(&ended);
	capture_close(&ended);
}

/* By this number the loader knows when the thread is gone, whatever it can say. */
static void job_tell_thread(const struct pymem_start *start)
{
	volatile int32_t *to = (volatile int32_t *)(uintptr_t)start->tid_addr;

	if (to)
		*to = job.worker.made;
}

static int job_begin(const struct pymem_start *start)
{
	int rc;

	if (!busy_claim())
		return -EBUSY;
	memcpy(&job.start, start, sizeof(job.start));
	job.borrowed = start->borrowed_tid ? (int)start->borrowed_tid : sys_gettid();
	job.worker.run = job_run;
	job.worker.over = job_over;
	job.worker.name = "pymem-agent";
	job.worker.stack = (void *)(uintptr_t)start->stack_addr;
	job.worker.stack_size = start->stack_size;
	capture_open(&job.capture, &job.start, CAPTURE_WORKER);
	rc = worker_start(&job.worker);
	if (rc) {
		capture_fail(&job.capture, PYMEM_FAIL_MEMORY, -rc,
			     "the agent's thread could not be made");
		job.ran = true;
		job_over(NULL);
	} else {
		job_tell_thread(start);
	}
	return rc;
}

static int start_check(const struct pymem_start *start)
{
	return memcmp(start->magic, PYMEM_START_MAGIC, sizeof(start->magic)) ||
			start->version != PYMEM_START_VERSION ||
			start->size != sizeof(*start) ?
		-EPROTO :
		0;
}

__attribute__((visibility("default"))) int pymem_agent_start(
	const struct pymem_start *start)
{
	const int rc = start_check(start);

	if (rc)
		return rc;
	libc_arena_learn();
	return job_begin(start);
}

__attribute__((noreturn)) static void run_in_copy(const struct pymem_start *start)
{
	static struct capture capture;

	capture_open(&capture, start, CAPTURE_IN_COPY);
	capture_run(&capture);
	sys_exit_group(CAPTURE_EXIT_FAILED);
}

__attribute__((constructor)) static void agent_loaded(void)
{
	const struct pymem_start *start =
		(const struct pymem_start *)(uintptr_t)&pymem_start_block;

	if (!pymem_start_block.configured) {
		trigger_init();
		return;
	}
	if (start_check(start))
		return;
	if (start->flags & PYMEM_START_IN_COPY)
		run_in_copy(start);
	libc_arena_learn();
	job_begin(start);
}

__attribute__((destructor)) static void agent_unloaded(void)
{
	trigger_exit();
	worker_unmap(&job.worker);
}
