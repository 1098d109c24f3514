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
#include "agent/snap/driver.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
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
	struct job job;
	struct worker worker;
	bool ran;     /* to its end: CPython did not end the thread */
	int borrowed; /* thread that the loader stopped to load us, 0 = none */
} agent;

enum { RELEASE_STEP_US = 200, RELEASE_TRIES = 500 };

/*
 * Waits, a tenth of a second at most, until the loader has let go of the thread it
 * borrowed.  A fork before that would make its way out of dlopen wait for the
 * whole copying of page tables: it needs the same lock (mmap_lock) for every page it
 * touches, and would be stopped that much longer.  Where we see no /proc, the text of
 * the mappings (pymem_start.maps_addr) is what the loader writes last.
 */
static void agent_await_release(int tid, uint64_t maps_addr)
{
	const volatile uint64_t *maps = (const volatile uint64_t *)(uintptr_t)maps_addr;
	static const char field[] = "TracerPid:\t0\n";
	const struct timespec step = { .tv_nsec = RELEASE_STEP_US * 1000 };
	char path[64], buf[2048];
	struct phrase t;

	phrase_init(&t, path, sizeof(path));
	phrase_str(&t, "/proc/self/task/");
	phrase_u64(&t, (uint64_t)tid);
	phrase_str(&t, "/status");
	for (int tries = 0; tid && tries < RELEASE_TRIES; tries++) {
		if (maps ? *maps != 0 :
			   sys_read_file(path, buf, sizeof(buf)) <= 0 ||
				    strstr(buf, field))
			return;
		sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &step, NULL);
	}
}

static void agent_run(void *arg)
{
	(void)arg;
	agent.ran = false;
	agent_await_release(agent.borrowed, agent.start.maps_addr);
	driver_run(&agent.job);
	agent.ran = true;
}

/* Last act on the worker, even when CPython ended the thread under us. */
static void agent_over(void *arg)
{
	struct job ended = agent.job;
	const bool ran = agent.ran;

	(void)arg;
	/* whoever hears DONE, or sees the channels close, may ask again */
	busy_release();
	if (ran)
		job_done(&ended);
	job_close(&ended);
}

/* By this number the loader knows when the thread is gone, whatever it can say. */
static void agent_tell_thread(const struct pymem_start *start)
{
	volatile int32_t *to = (volatile int32_t *)(uintptr_t)start->tid_addr;

	if (to)
		*to = agent.worker.made;
}

static int agent_begin(const struct pymem_start *start)
{
	int rc;

	if (!busy_claim())
		return -EBUSY;
	memcpy(&agent.start, start, sizeof(agent.start));
	agent.borrowed = start->borrowed_tid ? (int)start->borrowed_tid : sys_gettid();
	agent.worker.run = agent_run;
	agent.worker.over = agent_over;
	agent.worker.name = "pymem-agent";
	agent.worker.stack = (void *)(uintptr_t)start->stack_addr;
	agent.worker.stack_size = start->stack_size;
	job_open(&agent.job, &agent.start, JOB_WORKER);
	rc = worker_start(&agent.worker);
	if (rc) {
		job_fail(&agent.job, PYMEM_FAIL_MEMORY, -rc,
			 "the agent's thread could not be made");
		agent.ran = true;
		agent_over(NULL);
	} else {
		agent_tell_thread(start);
	}
	return rc;
}

static int agent_check_start(const struct pymem_start *start)
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
	const int rc = agent_check_start(start);

	if (rc)
		return rc;
	libc_arena_learn();
	return agent_begin(start);
}

__attribute__((noreturn)) static void agent_run_external(const struct pymem_start *start)
{
	static struct job job;

	job_open(&job, start, JOB_EXTERNAL);
	driver_run(&job);
	sys_exit_group(JOB_EXIT_FAILED);
}

__attribute__((constructor)) static void agent_loaded(void)
{
	const struct pymem_start *start =
		(const struct pymem_start *)(uintptr_t)&pymem_start_block;

	if (!pymem_start_block.configured) {
		trigger_init(pymem_agent_start);
		return;
	}
	if (agent_check_start(start))
		return;
	if (start->file[0]) /* not noted: the loader asks before it makes one */
		cpu_call(SYS_unlinkat, AT_FDCWD, SYS_ARG(start->file), 0, 0, 0, 0);
	if (start->flags & PYMEM_START_EXTERNAL)
		agent_run_external(start);
	libc_arena_learn();
	agent_begin(start);
}

__attribute__((destructor)) static void agent_unloaded(void)
{
	trigger_exit();
	worker_unmap(&agent.worker);
}
