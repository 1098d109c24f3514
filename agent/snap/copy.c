/* SPDX-License-Identifier: MIT */
/* copy - see copy.h. */
#include "agent/snap/copy.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "agent/snap/copy_life.h"
#include "agent/snap/gil.h"
#include "agent/snap/reserve.h"
#include "agent/base/invariant.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"

/* All signals blocked around it: the copy must not run the application's handlers. */
static long copy_clone(uint64_t *ns_ret)
{
	uint64_t all = ~0ULL, old = 0, began;
	long pid;

	sys4(SYS_rt_sigprocmask, SIG_BLOCK, &all, &old, 8);
	began = sys_now_ns();
	pid = sys5(SYS_clone, CLONE_UNTRACED, 0, 0, 0, 0);
	if (pid == 0)
		return 0;
	*ns_ret = sys_now_ns() - began;
	sys4(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
	return pid;
}

int copy_make(struct job *job)
{
	char buf[200];
	struct phrase t;
	long pid;

	INVARIANT(!job->copy && job->context != JOB_EXTERNAL);
	if (!owned_fd_ok(&job->stream.fd[0]))
		return job_fail(job, PYMEM_FAIL_STREAM, EBADF,
				"the application closed the snapshot's channel");
	reserve_release();
	job->task = sys_gettid();
	pid = copy_clone(&job->fork_ns);
	if (pid == 0)
		copy_life_begin(job);
	if (pid > 0) {
		job->copy = (int)pid;
		return 0;
	}
	phrase_init(&t, buf, sizeof(buf));
	phrase_str(&t,
		   pid == -ENOMEM ? "no memory for a copy of the process" :
			   pid == -EAGAIN ?
				    "no process can be created (pid or user limit)" :
				    "the process cannot be copied");
	phrase_str(&t, " (errno ");
	phrase_u64(&t, (uint64_t)-pid);
	phrase_str(&t, "); --no-fork walks in place");
	return job_fail(job, PYMEM_FAIL_FORK, -pid, buf);
}

static void copy_kill(const struct job *job)
{
	sys2(SYS_kill, job->copy, SIGKILL);
}

/* True once the copy is reaped; status -1 if somebody else reaped it. */
static bool copy_reaped(struct job *job)
{
	int status = 0;
	const long rc = sys4(SYS_wait4, job->copy, &status, __WCLONE | WNOHANG, NULL);

	if (rc == 0 || rc == -EINTR)
		return false;
	job->status = rc == job->copy ? status : -1;
	return true;
}

/* Seconds after which the copy is killed from here: its own watchdog has failed. */
static uint64_t copy_limit_ns(const struct job *job)
{
	const uint32_t s = job->start->child_timeout_s;

	return (uint64_t)((s ? s : 600) + 30) * 1000000000u;
}

int copy_wait(struct job *job)
{
	const uint64_t began = sys_now_ns();
	bool cancelled = false;
	int pause_ms = 0;
	int status;

	INVARIANT(job->copy > 0);
	control_channel_send(&job->control, PYMEM_MSG_FORKED, (uint64_t)job->copy,
			     job->gil_wait_ns, job->gil_held_ns, job->fork_ns, NULL);
	while (!copy_reaped(job)) {
		pause_ms = pause_ms < 20 ? pause_ms + 1 : 20;
		if (cancelled) {
			sys_sleep_ms(1);
		} else if (control_channel_cancelled(&job->control, pause_ms)) {
			cancelled = true;
			copy_kill(job);
		} else if (sys_now_ns() - began > copy_limit_ns(job)) {
			copy_kill(job);
		} else if (job->waiting) {
			job->waiting(job);
		}
	}
	gil_let_go(job);
	status = job->status;
	job->copy = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == JOB_EXIT_AGAIN && !cancelled)
		return 1;
	control_channel_send(&job->control, PYMEM_MSG_CHILD, (uint64_t)(uint32_t)status,
			     0, 0, 0, NULL);
	if (cancelled)
		return job_fail(job, PYMEM_FAIL_CANCELLED, 0, "cancelled");
	return WIFEXITED(status) && WEXITSTATUS(status) == JOB_EXIT_OK ? 0 : -1;
}
