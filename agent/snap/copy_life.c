/* SPDX-License-Identifier: MIT */
/* copy_life - see copy_life.h. */
#include "agent/snap/copy_life.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "agent/base/pages.h"
#include "agent/base/peek.h"
#include "agent/snap/emit.h"
#include "agent/snap/gil.h"
#include "agent/snap/watchdog.h"
#include "agent/snap/spawn.h"
#include "agent/snap/grandchild.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"

/*
 * Niceness of the copy.  Not SCHED_IDLE, nor 19: where every CPU is busy such a
 * copy lives many times longer, and the application pays for each page it writes
 * while the copy lives.  Measured on two CPUs with six runnable threads, captures
 * in six seconds (3.8): 14-21 at nice 0, 10-11 at 5, 7 at 10.
 */
enum { COPY_NICE = 5 };

struct copy_reserve copy_reserve;

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Closes what /proc/self/fd lists, but for keep[]; before Linux 5.9. */
static void copy_life_close_listed(const int *keep, unsigned count)
{
	const int dir = sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY, 0);
	char buf[4096] __attribute__((aligned(8)));
	struct linux_dirent64 *entry;
	bool closed = true;

	while (dir >= 0 && closed) {
		long n, at;

		closed = false;
		sys3(SYS_lseek, dir, 0, SEEK_SET);
		while ((n = sys3(SYS_getdents64, dir, buf, sizeof(buf))) > 0) {
			for (at = 0; at < n; at += entry->reclen) {
				entry = (struct linux_dirent64 *)(buf + at);

				const char *s = entry->name;
				bool ours = false;
				uint64_t fd;

				if (!phrase_parse_u64(&s, &fd) || (int)fd == dir)
					continue;
				for (unsigned i = 0; i < count; i++)
					ours |= keep[i] == (int)fd;
				if (ours)
					continue;
				sys_close((int)fd);
				closed = true;
			}
		}
	}
	if (dir >= 0)
		sys_close(dir);
}

static void copy_life_close_others(const struct job *job)
{
	int keep[] = { job->stream.fd[0].fd, job->stream.fd[1].fd, job->control.out.fd };
	const unsigned count = sizeof(keep) / sizeof(keep[0]);
	unsigned from = 0;

	for (unsigned i = 1; i < count; i++) { /* ascending */
		for (unsigned j = i; j && keep[j - 1] > keep[j]; j--) {
			const int swap = keep[j];

			keep[j] = keep[j - 1];
			keep[j - 1] = swap;
		}
	}
#ifdef SYS_close_range
	for (unsigned i = 0; i <= count; i++) {
		const unsigned to = i < count ? (unsigned)keep[i] : ~0u;

		if (i < count && keep[i] < 0)
			continue;
		if (to > from &&
		    sys_failed(
			    sys3(SYS_close_range, from, i < count ? to - 1 : ~0u, 0))) {
			copy_life_close_listed(keep, count);
			return;
		}
		from = to + 1;
	}
#else
	(void)from;
	copy_life_close_listed(keep, count);
#endif
}

static void copy_life_first_for_oom(void)
{
	const int fd = sys_open("/proc/self/oom_score_adj", O_WRONLY, 0);

	if (fd < 0)
		return;
	sys_write(fd, "1000", 4);
	sys_close(fd);
}

static void copy_life_be_modest(void)
{
	struct sched_param none = { 0 };

	sys3(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
	sys3(SYS_setpriority, PRIO_PROCESS, 0, COPY_NICE);
	sys3(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
	     IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/*
 * No core of a copy of somebody's heap.  Dumpable 0 also keeps a core_pattern
 * pipe from starting, which ignores a core limit of 0 but not one of 1
 * (fs/coredump.c).
 */
static void copy_life_no_core(void)
{
	const struct rlimit one = { 1, 1 };

	sys4(SYS_prlimit64, 0, RLIMIT_CORE, &one, NULL);
	sys5(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Room for our own mappings where the process has used up its limits. */
static void copy_life_make_room(void)
{
	static const int limits[] = { RLIMIT_AS, RLIMIT_DATA };

	if (copy_reserve.mem)
		sys2(SYS_munmap, copy_reserve.mem, copy_reserve.size);
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;

		if (sys4(SYS_prlimit64, 0, limits[i], NULL, &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		sys4(SYS_prlimit64, 0, limits[i], &limit, NULL);
	}
}

void copy_life_begin(struct job *job)
{
	sys5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sys0(SYS_getppid) != job->pid)
		sys_exit_group(JOB_EXIT_FAILED);
	if (job->must_be_zero && *job->must_be_zero)
		sys_exit_group(JOB_EXIT_AGAIN);
	if (job->must_be_zero)
		gil_adopt(job);
	sys5(SYS_prctl, PR_SET_NAME, "pymem-snap", 0, 0, 0);
	if (job->control.in.fd != job->control.out.fd)
		job->control.in.fd = -1; /* the process reads commands, not we */
	copy_life_close_others(job);
	copy_life_first_for_oom();
	copy_life_be_modest();
	copy_life_make_room();
	pages_prepare();
	copy_life_no_core();
	copy_life_walk(job);
}

/* A walk_fn for grandchild_run. */
static void copy_life_walk_here(void *arg)
{
	struct job *const job = arg;
	struct emit_result result;
	char err[256] = "";
	int rc;

	watchdog_install(job);
	rc = emit_snapshot(job, true, &result, err, sizeof(err));
	watchdog_off();
	if (rc == -EAGAIN) {
		if (job->context == JOB_EXTERNAL)
			job_fail(job, PYMEM_FAIL_COLLECTING, 0,
				 "a garbage collection was going on at the clone");
		grandchild_exit(JOB_EXIT_AGAIN);
	}
	if (rc < 0) {
		if (rc != -EPIPE)
			job_fail(job, emit_reason(rc), -rc, err);
		grandchild_exit(JOB_EXIT_FAILED);
	}
	control_channel_send(&job->control, PYMEM_MSG_WALKED, result.objects,
			     result.edges, result.walk_ns, result.dirty_bytes,
			     result.doubt);
	if (job->context == JOB_EXTERNAL)
		control_channel_send(&job->control, PYMEM_MSG_DONE, 0, 0, 0, 0, NULL);
	grandchild_exit(JOB_EXIT_OK);
}

void copy_life_walk(struct job *job)
{
	peek_be_alone();
	/* what the filter of a copy made by the loader does to clone is not known */
	if (job->context != JOB_EXTERNAL || !spawn_confined())
		grandchild_run(copy_life_walk_here, job);
	copy_life_walk_here(job);
	__builtin_unreachable();
}
