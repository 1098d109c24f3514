/* SPDX-License-Identifier: MIT */
/*
 * refuse_call - runs a program in which one system call fails.
 *
 *	refuse_call [-c CALL -n N [-e ERRNO]] [-o FILE] COMMAND...
 *
 * The N-th call of that name (a number), counted over the program and all its children,
 * fails with ERRNO, or with one that such a call may fail with; all others are made.
 * FILE: "NUMBER COUNT NAME" a line, for each call that was made.  Ends as the program
 * did (125: it couldn't be run); 124: some of its processes outlived it by 20 s and were
 * killed.
 *
 * A seccomp filter has the kernel ask us about every call (seccomp_unotify(2)).  Those
 * that can't fail (waits for children that one has, too), or whose failure the C library
 * takes for the end of the world, aren't asked about.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loader/target/call_name.h"

enum { CALLS = 512, PATIENCE_MS = 20000, COULDNT_RUN = 125, LEFT_BEHIND = 124 };

static const int never[] = {
	SYS_exit,
	SYS_exit_group,
	SYS_rt_sigreturn,
	SYS_futex,
	SYS_restart_syscall,
	SYS_sched_yield,
	SYS_brk,
	SYS_munmap,
	SYS_close,
	SYS_close_range,
	SYS_getpid,
	SYS_gettid,
	SYS_getppid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_execve,
	SYS_set_tid_address,
	SYS_set_robust_list,
	SYS_rt_sigprocmask,
	SYS_rt_sigaction,
	SYS_clock_nanosleep,
	SYS_wait4,
	SYS_waitid,
	SYS_sendmsg,
#ifdef SYS_rseq
	SYS_rseq,
#endif
#ifdef SYS_arch_prctl
	SYS_arch_prctl,
#endif
};

/* What else than EIO a call fails with where resources are short. */
static const struct {
	int call, error;
} errors[] = {
	{ SYS_mmap, ENOMEM },
	{ SYS_mremap, ENOMEM },
	{ SYS_mprotect, ENOMEM },
	{ SYS_clone, EAGAIN },
	{ SYS_openat, EMFILE },
	{ SYS_socketpair, EMFILE },
	{ SYS_socket, EMFILE },
	{ SYS_pipe2, EMFILE },
	{ SYS_dup, EMFILE },
	{ SYS_dup3, EMFILE },
	{ SYS_eventfd2, EMFILE },
	{ SYS_signalfd4, EMFILE },
	{ SYS_memfd_create, EMFILE },
	{ SYS_pidfd_getfd, EMFILE },
	{ SYS_pidfd_open, EMFILE },
	{ SYS_write, ENOSPC },
	{ SYS_pwrite64, ENOSPC },
	{ SYS_ftruncate, ENOSPC },
	{ SYS_fallocate, ENOSPC },
	{ SYS_linkat, ENOSPC },
	{ SYS_renameat2, ENOSPC },
	{ SYS_ptrace, ESRCH },
	{ SYS_kill, ESRCH },
	{ SYS_tgkill, ESRCH },
	{ SYS_ppoll, ENOMEM },
#ifdef SYS_poll
	{ SYS_poll, ENOMEM },
#endif
#ifdef SYS_rename
	{ SYS_rename, ENOSPC },
#endif
#ifdef SYS_link
	{ SYS_link, ENOSPC },
#endif
#ifdef SYS_open
	{ SYS_open, EMFILE },
#endif
#ifdef SYS_fork
	{ SYS_fork, EAGAIN },
	{ SYS_vfork, EAGAIN },
#endif
	{ SYS_process_vm_readv, EFAULT },
};

static unsigned long counts[CALLS];

static int usual_error(int call)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		if (errors[i].call == call)
			return errors[i].error;
	return EIO;
}

static int ask_filter(void)
{
	enum { NEVER = sizeof(never) / sizeof(*never) };
	struct sock_filter code[2 * NEVER + 2];
	unsigned n = 0;

	code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						 offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < NEVER; i++) {
		code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							 (unsigned)never[i], 0, 1);
		code[n++] =
			(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	const struct sock_fprog program = { (unsigned short)n, code };
	if (geteuid() != 0)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* sendmsg isn't asked about: so the listener can be handed over. */
static void hand_over(int channel, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(int)) };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(channel, &m, 0) < 0)
		_exit(COULDNT_RUN);
}

static int take_over(int channel)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	int fd = -1;

	if (recvmsg(channel, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

static void answer(int listener, int call, unsigned long which, int error)
{
	struct seccomp_notif ask = { 0 };
	struct seccomp_notif_resp reply = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &ask))
		return; /* whoever asked is gone */
	const int nr = ask.data.nr;
	reply.id = ask.id;
	if (nr >= 0 && nr < CALLS && ++counts[nr] == which && nr == call) {
		reply.flags = 0;
		reply.error = -(error ? error : usual_error(nr));
	}
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Until no process is left under the filter.  False: some stayed too long. */
static bool supervise(int listener, pid_t child, int *status, int call,
		      unsigned long which, int error)
{
	struct pollfd p = { listener, POLLIN, 0 };
	int64_t ended = 0;

	for (;;) {
		const int n = poll(&p, 1, 50);

		if (n > 0 && p.revents & POLLIN)
			answer(listener, call, which, error);
		else if (n > 0 && p.revents & (POLLHUP | POLLERR))
			return ended || waitpid(child, status, 0) == child;
		if (!ended && waitpid(child, status, WNOHANG) == child)
			ended = now_ms();
		if (ended && now_ms() > ended + PATIENCE_MS)
			return false;
	}
}

static void tell(const char *path)
{
	FILE *const f = path ? fopen(path, "w") : NULL;

	for (int i = 0; f && i < CALLS; i++) {
		char name[64];

		if (counts[i])
			fprintf(f, "%d %lu %s\n", i, counts[i],
				call_name(i, name, sizeof(name)));
	}
	if (f)
		fclose(f);
}

static int run(char **command, const char *path, int call, unsigned long which, int error)
{
	int pair[2], status = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return COULDNT_RUN;
	/* what stays behind is ours to find */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	const pid_t child = fork();
	if (child == 0) {
		const int listener = ask_filter();

		if (listener < 0)
			_exit(COULDNT_RUN);
		hand_over(pair[1], listener);
		/* a filter's listener is close-on-exec */
		execvp(command[0], command);
		_exit(COULDNT_RUN);
	}
	close(pair[1]);
	const int listener = child > 0 ? take_over(pair[0]) : -1;
	if (listener < 0)
		return COULDNT_RUN;
	const bool good = supervise(listener, child, &status, call, which, error);
	tell(path);
	close(listener); /* whoever is left gets ENOSYS for everything */
	if (!good)
		return LEFT_BEHIND;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	int call = -1, error = 0, option;
	unsigned long which = 0;
	const char *path = NULL;

	while ((option = getopt(argc, argv, "+c:n:e:o:")) != -1) {
		if (option == 'c')
			call = atoi(optarg);
		else if (option == 'n')
			which = strtoul(optarg, NULL, 10);
		else if (option == 'e')
			error = atoi(optarg);
		else if (option == 'o')
			path = optarg;
		else
			return COULDNT_RUN;
	}
	return optind < argc ? run(argv + optind, path, call, which, error) : COULDNT_RUN;
}
