/* SPDX-License-Identifier: MIT */
/* child - see child.h. */
#include "agent/snap/child.h"

#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "agent/base/peek.h"
#include "agent/snap/emit.h"
#include "agent/snap/gil.h"
#include "agent/snap/guard.h"
#include "agent/snap/spawn.h"
#include "agent/snap/walker.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

/*
 * Niceness of the copy.  Not SCHED_IDLE, nor 19: where every CPU is busy such a
 * copy lives many times longer, and the application pays for each page it writes
 * while the copy lives.  Measured on two CPUs with six runnable threads, captures
 * in six seconds (3.8): 14-21 at nice 0, 10-11 at 5, 7 at 10.
 */
enum { CHILD_NICE = 5 };

struct child_reserve child_reserve;

struct linux_dirent64 {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

/* Closes what /proc/self/fd lists, but for keep[]; before Linux 5.9. */
static void close_listed(const int *keep, unsigned count)
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

				if (!text_parse_u64(&s, &fd) || (int)fd == dir)
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

static void close_others(const struct capture *c)
{
	int keep[] = { c->stream.fd[0].fd, c->stream.fd[1].fd, c->control.out.fd };
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
			close_listed(keep, count);
			return;
		}
		from = to + 1;
	}
#else
	(void)from;
	close_listed(keep, count);
#endif
}

static void be_first_for_oom(void)
{
	const int fd = sys_open("/proc/self/oom_score_adj", O_WRONLY, 0);

	if (fd < 0)
		return;
	sys_write(fd, "1000", 4);
	sys_close(fd);
}

static void be_modest(void)
{
	struct sched_param none = { 0 };

	sys3(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
	sys3(SYS_setpriority, PRIO_PROCESS, 0, CHILD_NICE);
	sys3(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
	     IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
}

/*
 * No core of a copy of somebody's heap.  Dumpable 0 also keeps a core_pattern
 * pipe from starting, which ignores a core limit of 0 but not one of 1
 * (fs/coredump.c).
 */
static void no_core(void)
{
	const struct rlimit one = { 1, 1 };

	sys4(SYS_prlimit64, 0, RLIMIT_CORE, &one, NULL);
	sys5(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Room for our own mappings where the process has used up its limits. */
static void make_room(void)
{
	static const int limits[] = { RLIMIT_AS, RLIMIT_DATA };

	if (child_reserve.mem)
		sys2(SYS_munmap, child_reserve.mem, child_reserve.size);
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct rlimit limit;

		if (sys4(SYS_prlimit64, 0, limits[i], NULL, &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		sys4(SYS_prlimit64, 0, limits[i], &limit, NULL);
	}
}

void child_main(struct capture *c)
{
	sys5(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sys0(SYS_getppid) != c->pid)
		sys_exit_group(CAPTURE_EXIT_FAILED);
	if (c->must_be_zero && *c->must_be_zero)
		sys_exit_group(CAPTURE_EXIT_AGAIN);
	if (c->must_be_zero)
		gil_adopt(c);
	sys5(SYS_prctl, PR_SET_NAME, "pymem-snap", 0, 0, 0);
	if (c->control.in.fd != c->control.out.fd)
		c->control.in.fd = -1; /* the process reads commands, not we */
	close_others(c);
	be_first_for_oom();
	be_modest();
	make_room();
	no_core();
	child_walk(c);
}

/* A walk_fn for walker_run. */
static void child_walk_here(void *arg)
{
	struct capture *const c = arg;
	struct emit_result result;
	char err[256] = "";
	int rc;

	guard_install(c);
	rc = emit_snapshot(c, true, &result, err, sizeof(err));
	guard_off();
	if (rc == -EAGAIN) {
		if (c->context == CAPTURE_IN_COPY)
			capture_fail(c, PYMEM_FAIL_COLLECTING, 0,
				     "a garbage collection was going on at the clone");
		walker_exit(CAPTURE_EXIT_AGAIN);
	}
	if (rc < 0) {
		if (rc != -EPIPE)
			capture_fail(c, emit_reason(rc), -rc, err);
		walker_exit(CAPTURE_EXIT_FAILED);
	}
	control_send(&c->control, PYMEM_MSG_WALKED, result.objects, result.edges,
		     result.walk_ns, result.dirty_bytes, NULL);
	if (c->context == CAPTURE_IN_COPY)
		control_send(&c->control, PYMEM_MSG_DONE, 0, 0, 0, 0, NULL);
	walker_exit(CAPTURE_EXIT_OK);
}

void child_walk(struct capture *c)
{
	peek_be_alone();
	/* what the filter of a copy made by the loader does to clone is not known */
	if (c->context != CAPTURE_IN_COPY || !spawn_confined())
		walker_run(child_walk_here, c);
	child_walk_here(c);
	__builtin_unreachable();
}
