/* SPDX-License-Identifier: MIT */
/*
 * fork - makes the copy-on-write copy, and buries it.
 *
 * The raw clone system call with exit signal 0: no SIGCHLD, and wait(), waitpid(-1)
 * and waitid(P_ALL) of the application do not see the copy (only __WCLONE and
 * __WALL do); no atfork handler runs, no libc lock is taken.  CLONE_UNTRACED
 * keeps a debugger of the target from grabbing the copy.  Not clone3: container
 * seccomp profiles refuse it.
 *
 * What remains visible: the kernel adds the copy's CPU time and peak memory to
 * RUSAGE_CHILDREN when it is reaped (kernel/exit.c, wait_task_zombie).  There is no
 * way to reap without that, and not reaping would leave a zombie; so the copy has
 * another process do the work (walker.h) and has next to nothing to add.
 */
#include <linux/sched.h>
#include <signal.h>
#include <sys/wait.h>

#include "agent/snap/capture.h"
#include "agent/snap/child.h"
#include "agent/snap/gil.h"
#include "agent/base/sys.h"
#include "agent/base/text.h"

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

int copy_make(struct capture *c)
{
	char buf[200];
	struct text t;
	long pid;

	if (!owned_fd_ok(&c->stream.fd[0]))
		return capture_fail(c, PYMEM_FAIL_STREAM, EBADF,
				    "the application closed the snapshot's channel");
	pid = copy_clone(&c->fork_ns);
	if (pid == 0)
		child_main(c);
	if (pid > 0) {
		c->copy = (int)pid;
		return 0;
	}
	text_init(&t, buf, sizeof(buf));
	text_str(&t,
		 pid == -ENOMEM ? "no memory for a copy of the process" :
			 pid == -EAGAIN ?
				  "no process can be created (pid or user limit)" :
				  "the process cannot be copied");
	text_str(&t, " (errno ");
	text_u64(&t, (uint64_t)-pid);
	text_str(&t, "); --no-fork walks in place");
	return capture_fail(c, PYMEM_FAIL_FORK, -pid, buf);
}

static void copy_kill(const struct capture *c)
{
	sys2(SYS_kill, c->copy, SIGKILL);
}

/* True once the copy is reaped; status -1 if somebody else reaped it. */
static bool copy_reaped(struct capture *c)
{
	int status = 0;
	const long rc = sys4(SYS_wait4, c->copy, &status, __WCLONE | WNOHANG, NULL);

	if (rc == 0 || rc == -EINTR)
		return false;
	c->status = rc == c->copy ? status : -1;
	return true;
}

/* Seconds after which the copy is killed from here: its own watchdog has failed. */
static uint64_t copy_limit_ns(const struct capture *c)
{
	const uint32_t s = c->start->child_timeout_s;

	return (uint64_t)((s ? s : 600) + 30) * 1000000000u;
}

int copy_wait(struct capture *c)
{
	const uint64_t began = sys_now_ns();
	bool cancelled = false;
	int pause_ms = 0;
	int status;

	control_send(&c->control, PYMEM_MSG_FORKED, (uint64_t)c->copy, c->gil_wait_ns,
		     c->gil_held_ns, c->fork_ns, NULL);
	while (!copy_reaped(c)) {
		pause_ms = pause_ms < 20 ? pause_ms + 1 : 20;
		if (cancelled) {
			sys_sleep_ms(1);
		} else if (control_cancelled(&c->control, pause_ms)) {
			cancelled = true;
			copy_kill(c);
		} else if (sys_now_ns() - began > copy_limit_ns(c)) {
			copy_kill(c);
		} else if (c->waiting) {
			c->waiting(c);
		}
	}
	gil_let_go(c);
	status = c->status;
	c->copy = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CAPTURE_EXIT_AGAIN && !cancelled)
		return 1;
	control_send(&c->control, PYMEM_MSG_CHILD, (uint64_t)(uint32_t)status, 0, 0, 0,
		     NULL);
	if (cancelled)
		return capture_fail(c, PYMEM_FAIL_CANCELLED, 0, "cancelled");
	return WIFEXITED(status) && WEXITSTATUS(status) == CAPTURE_EXIT_OK ? 0 : -1;
}
