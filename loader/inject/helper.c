/* SPDX-License-Identifier: MIT */
/* helper - see helper.h. */
#include "loader/inject/helper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loader/base/clock.h"
#include "loader/base/kernel.h"
#include "loader/base/fault.h"
#include "loader/target/diagnose.h"

enum {
	LISTEN_MS = 50,	  /* how long a Ctrl-C may go unnoticed */
	CANCEL_MS = 3000, /* for a helper that was told to end */
	REAP_MS = 2000,
	LATE_LINES = 1000, /* that are still taken when it's too late */
};

enum { PACKET_LOG = 'L', PACKET_RESULT = 'R' };

struct packet {
	char kind;
	union {
		char line[512];
		struct helper_result result;
	};
};

/* ---- in the helper ---- */

static void helper_send_line(struct helper *h, const char *text)
{
	struct packet p = { .kind = PACKET_LOG };
	double ms = (double)(clock_now() - h->epoch) / 1e6;
	int n = snprintf(p.line, sizeof(p.line), "%9.3f ms  %s", ms, text);
	size_t size = n < (int)sizeof(p.line) ? (size_t)n : sizeof(p.line) - 1;

	send(h->channel, &p, offsetof(struct packet, line) + size + 1,
	     MSG_NOSIGNAL | MSG_DONTWAIT);
}

void helper_log(struct helper *h, const char *format, ...)
{
	if (!h->options->log)
		return;
	char text[400];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	helper_send_line(h, text);
}

/* What is ordered for this step.  True: it shall fail. */
static bool helper_fault(struct helper *h, const char *name)
{
	const enum fault fault = fault_ordered(name, h->step, h->ordinal);
	const bool both = fault == FAULT_KILL;

	if ((both || fault == FAULT_KILL_LOADER) && getppid() == h->loader)
		kill(h->loader, SIGKILL);
	if (both || fault == FAULT_KILL_HELPER)
		kill(getpid(), SIGKILL);
	if (fault == FAULT_SLOW)
		fault_dawdle(h->target->pid);
	return fault == FAULT_FAIL;
}

void helper_point(struct helper *h, const char *name)
{
	h->step++;
	helper_fault(h, name);
}

int helper_step(struct helper *h, struct load_error *err, const char *format, ...)
{
	char name[300], text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	h->step++;
	if (h->options->log) {
		snprintf(text, sizeof(text), "step %u: %s", h->step, name);
		helper_send_line(h, text);
	}
	if (!helper_fault(h, name))
		return 0;
	return load_fail(err, LOAD_E_SYSTEM, EIO, "fault injected at step %u (%s)",
			 h->step, name);
}

int helper_send(struct helper *h)
{
	struct packet p = { .kind = PACKET_RESULT };

	assert(getpid() != h->loader);
	p.result = h->result;
	p.result.control = h->fds[0] >= 0;
	p.result.stream = h->fds[1] >= 0;
	p.result.command = h->fds[2] >= 0;
	int fds[3], count = 0;
	for (int i = 0; i < 3; i++)
		if (h->fds[i] >= 0)
			fds[count++] = h->fds[i];
	union {
		char bytes[CMSG_SPACE(sizeof(fds))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { &p, sizeof(p) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (count) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
	}
	return sendmsg(h->channel, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

bool helper_abandoned(struct helper *h)
{
	char byte;

	if (!h->told && getppid() != h->loader)
		h->told = true;
	if (!h->told) {
		ssize_t n = recv(h->channel, &byte, 1, MSG_DONTWAIT);

		h->told = n >= 0 || (errno != EAGAIN && errno != EINTR);
	}
	return h->told;
}

/*
 * Lets go of everything else the loader has open: the streams of captures that
 * go on beside this one must end when the loader closes them.
 */
static void helper_close_others(const struct helper *h)
{
	const int keep[] = { h->channel, h->target->mem.fd, h->target->pidfd, h->lock };
	int low = 3;

	for (;;) {
		int next = INT_MAX;

		for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
			if (keep[i] >= low && keep[i] < next)
				next = keep[i];
		if (next > low)
			kernel_close_range((unsigned)low,
					   next == INT_MAX ? ~0u : (unsigned)next - 1);
		if (next == INT_MAX)
			return;
		low = next + 1;
	}
}

/*
 * A helper that waits for a CPU keeps a thread of the target stopped: it goes
 * before everything else where that is allowed.  It never runs for long.
 */
static void helper_hurry(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first))
		setpriority(PRIO_PROCESS, 0, -10);
	prctl(PR_SET_TIMERSLACK, 1);
}

/*
 * ns that the cheapest system call takes, the one of the stub's marker: 100 on bare
 * hardware, a thousand and more where calls are watched or the processor is emulated.
 * The shortest of some tries: others may have been interrupted.
 */
static uint64_t helper_time_call(void)
{
	uint64_t best = UINT64_MAX;

	for (int try = 0; try < 8; try++) {
		const uint64_t began = clock_now();

		for (int i = 0; i < 16; i++)
			syscall(SYS_read, -1, NULL, 0);
		const uint64_t took = (clock_now() - began) / 16;
		best = took < best ? took : best;
	}
	return best ? best : 1;
}

static void helper_main(struct helper *h, helper_work work)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored: stops of tracees wouldn't be waited for */
	prctl(PR_SET_NAME, DIAGNOSE_HELPER);
	helper_close_others(h);
	helper_hurry();
	h->call_ns = helper_time_call();
	struct load_error err = { 0 };
	h->result.status = work(h, &err);
	h->result.error = err;
	helper_send(h);
	_exit(0);
}

/* ---- in the loader ---- */

/* Takes the fds out of a result packet, in the order control, stream, command. */
static void helper_take_fds(struct helper *h, struct msghdr *m)
{
	int fds[3] = { -1, -1, -1 };
	struct cmsghdr *c = CMSG_FIRSTHDR(m);

	assert(h->channel >= 0);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		memcpy(fds, CMSG_DATA(c), size < sizeof(fds) ? size : sizeof(fds));
	}
	const bool have[3] = { h->result.control, h->result.stream, h->result.command };
	int next = 0;
	for (int i = 0; i < 3; i++)
		if (have[i])
			h->fds[i] = fds[next++];
}

/* How often was the loader told to stop? */
static int helper_cancels(const struct helper *h)
{
	int bytes = 0;

	if (h->options->cancel_fd > 0 && ioctl(h->options->cancel_fd, FIONREAD, &bytes))
		bytes = 0;
	return bytes;
}

/* One packet, waiting until deadline: 1 result, 0 log line or none yet, -1 end, -2 too
 * late. */
static int helper_receive(struct helper *h, uint64_t deadline)
{
	struct packet p;
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control;
	uint64_t now = clock_now();
	struct pollfd poll_fd = { h->channel, POLLIN, 0 };
	int left = deadline > now ? (int)((deadline - now + 999999) / 1000000) : 0;
	int ready = poll(&poll_fd, 1, left < LISTEN_MS ? left : LISTEN_MS);

	if (ready < 0)
		return errno == EINTR ? 0 : -1;
	if (!ready)
		return clock_now() < deadline ? 0 : -2;
	struct iovec iov = { &p, sizeof(p) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t n = recvmsg(h->channel, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0 && (errno == ECONNRESET || errno == EINTR || errno == EAGAIN))
		return 0; /* it ended before it read our word; what it sent comes next */
	if (n <= 0)
		return -1;
	if (p.kind == PACKET_LOG) {
		p.line[sizeof(p.line) - 1] = 0;
		if (h->options->log)
			h->options->log(h->options->log_arg, p.line);
		return 0;
	}
	if (n != (ssize_t)sizeof(p))
		return -1;
	h->result = p.result;
	helper_take_fds(h, &m);
	return 1;
}

/*
 * The result: as receive, but for log lines.  `cancels`: told so often to stop, the
 * helper is told to end, and soon given up.
 */
static int helper_listen(struct helper *h, uint64_t deadline, int cancels)
{
	bool told = false;
	int got, late = 0;

	while ((got = helper_receive(h, deadline)) == 0) {
		const uint64_t now = clock_now();

		if (now >= deadline && ++late > LATE_LINES)
			return -2;
		if (told || helper_cancels(h) < cancels)
			continue;
		told = true;
		send(h->channel, "q", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (deadline > now + CANCEL_MS * 1000000ull)
			deadline = now + CANCEL_MS * 1000000ull;
	}
	return got == -2 && told ? -3 : got;
}

/* It ends at once, or has been killed; if even that takes long, it is left alone. */
static void helper_reap(struct helper *h)
{
	const uint64_t deadline = clock_now() + REAP_MS * 1000000ull;
	struct timespec step = { 0, 100000 };

	while (h->process > 0) {
		const pid_t got = waitpid(h->process, NULL, WNOHANG);

		if (got == h->process || (got < 0 && errno != EINTR) ||
		    clock_now() > deadline)
			break;
		nanosleep(&step, NULL);
		if (step.tv_nsec < 10000000)
			step.tv_nsec += step.tv_nsec / 4;
	}
	h->process = 0;
	close(h->channel);
	h->channel = -1;
}

int helper_run(struct helper *h, helper_work work, unsigned timeout_ms, bool stay,
	       struct load_error *err)
{
	int pair[2];

	assert(h->process <= 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return load_fail(err, LOAD_E_SYSTEM, errno, "no socket pair: %s",
				 strerror(errno));
	h->epoch = h->epoch ? h->epoch : clock_now();
	h->fds[0] = h->fds[1] = h->fds[2] = -1;
	h->loader = getpid();
	h->process = fork();
	if (!h->process) {
		close(pair[0]);
		h->channel = pair[1];
		helper_main(h, work);
	}
	int sys = errno;
	close(pair[1]);
	h->channel = pair[0];
	if (h->process < 0) {
		close(pair[0]);
		return load_fail(err, LOAD_E_SYSTEM, sys, "no helper process: %s",
				 strerror(sys));
	}
	uint64_t deadline = clock_now() + (uint64_t)timeout_ms * 1000000;
	/* once to give up bringing it in; twice to leave it there */
	const int got = helper_listen(h, deadline, (int)h->ordinal);
	if (got == 1 && !h->result.status && stay)
		return 0;
	if (got != 1)
		kill(h->process, SIGKILL);
	helper_reap(h);
	if (got == -2)
		return load_fail(err, LOAD_E_TIMEOUT, 0,
				 "the injection took more than %u ms and was given up",
				 timeout_ms);
	if (got == -3)
		return load_fail(err, LOAD_E_SYSTEM, ECANCELED, "cancelled");
	if (got != 1)
		return load_fail(err, LOAD_E_SYSTEM, 0,
				 "the tracing helper ended unexpectedly");
	if (h->result.status && err)
		*err = h->result.error;
	return h->result.status;
}

bool helper_finish(struct helper *h, unsigned timeout_ms)
{
	if (h->process <= 0)
		return false;
	send(h->channel, "q", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	uint64_t deadline = clock_now() + (uint64_t)timeout_ms * 1000000;
	const int got = helper_listen(h, deadline, INT_MAX);
	if (got != 1)
		kill(h->process, SIGKILL);
	helper_reap(h);
	return got == 1;
}
