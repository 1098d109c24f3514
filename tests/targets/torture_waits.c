/* SPDX-License-Identifier: MIT */
/*
 * torture_waits - one system call that lasts 600 ms, told exactly.
 *
 *	torture_waits NAME [MS]
 *
 * One thread.  Prints "ready", makes the call named, then "NAME result errno
 * milliseconds", and ends with its standard input.  What ends the wait comes
 * from a child process after 600 ms (or MS), where it isn't a time limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int ms = 600;
static int ends[2];
static pid_t child;

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static struct timespec later(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	ts.tv_nsec += ms % 1000 * 1000000L;
	ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

/* After 600 ms: a byte into the pipe or socket, or a signal, then the end. */
static void start_child(int sig)
{
	child = fork();
	if (child)
		return;
	usleep((unsigned)ms * 1000);
	if (sig)
		kill(getppid(), sig);
	else if (write(ends[1], "x", 1) < 0)
		_exit(1);
	_exit(0);
}

static int do_nanosleep(void)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };
	return nanosleep(&ts, NULL);
}

static int do_clock_nanosleep(void)
{
	struct timespec ts = later(CLOCK_MONOTONIC);
	return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

static int do_poll(void)
{
	struct pollfd p = { ends[0], POLLIN, 0 };
	return poll(&p, 1, ms);
}

static int do_select(void)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	return select(0, NULL, NULL, NULL, &tv);
}

static int do_condition(void)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec ts = later(CLOCK_REALTIME);
	pthread_mutex_lock(&m);
	return pthread_cond_timedwait(&c, &m, &ts) == ETIMEDOUT ? 0 : -1;
}

static int do_semaphore(void)
{
	sem_t s;
	struct timespec ts = later(CLOCK_REALTIME);
	sem_init(&s, 0, 0);
	return sem_timedwait(&s, &ts) == -1 && errno == ETIMEDOUT ? (errno = 0, 0) : -1;
}

static int do_read(void)
{
	char byte;
	start_child(0);
	return (int)read(ends[0], &byte, 1);
}

static int do_recv(void)
{
	char byte;
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	start_child(0);
	return (int)recv(ends[0], &byte, 1, 0);
}

static int do_timerfd(void)
{
	char buf[8];
	struct itimerspec ts = { { 0, 0 }, { ms / 1000, ms % 1000 * 1000000L } };
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(fd, 0, &ts, NULL);
	return (int)read(fd, buf, sizeof(buf));
}

static int do_wait(void)
{
	int status;
	start_child(0);
	return waitpid(child, &status, 0) == child && !status ? 0 : -1;
}

static int do_flock(void)
{
	char path[] = "/tmp/torture-waits-XXXXXX";
	int fd = mkstemp(path), other = open(path, O_RDWR);
	flock(fd, LOCK_EX);
	child = fork();
	if (!child) {
		usleep((unsigned)ms * 1000);
		flock(fd, LOCK_UN);
		_exit(0);
	}
	close(fd);
	unlink(path);
	return flock(other, LOCK_EX);
}

static int on_epoll(int timeout)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(0);
	epoll_ctl(fd, EPOLL_CTL_ADD, ends[0], &event);
	return epoll_wait(fd, &event, 1, timeout);
}

static int do_epoll(void)
{
	start_child(0);
	return on_epoll(-1);
}

static int do_epoll_timeout(void)
{
	return on_epoll(ms);
}

static int do_sigwait(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	start_child(SIGUSR1);
	return sigwaitinfo(&set, NULL) == SIGUSR1 ? 0 : -1;
}

static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	handled = sig;
}

static void handle_user(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigaction(SIGUSR1, &action, NULL);
}

/* 0 if what returned that was ended by the signal. */
static int interrupted(long result)
{
	return result == -1 && errno == EINTR && handled ? (errno = 0, 0) : -1;
}

/* Until SIGUSR1 comes, from somebody: that and nothing else ends it with EINTR. */
static int do_epoll_forever(void)
{
	handle_user();
	return interrupted(on_epoll(-1));
}

static int do_pause_forever(void)
{
	handle_user();
	return interrupted(pause());
}

static int do_poll_forever(void)
{
	struct pollfd p = { ends[0], POLLIN, 0 };

	handle_user();
	return interrupted(poll(&p, 1, -1));
}

static int do_read_forever(void)
{
	char byte;

	handle_user();
	return interrupted(read(ends[0], &byte, 1));
}

/* A handler that restarts what it interrupts, and writes what is waited for. */
static void on_signal_write(int sig)
{
	handled = sig;
	if (write(ends[1], "x", 1) < 0)
		handled = 0;
}

static int do_read_restarted(void)
{
	char byte;
	struct sigaction action = { .sa_handler = on_signal_write,
				    .sa_flags = SA_RESTART };

	sigaction(SIGUSR1, &action, NULL);
	return read(ends[0], &byte, 1) == 1 && handled ? 0 : -1;
}

/* The same, while we are looked at. */
static int do_epoll_signal(void)
{
	handle_user();
	start_child(SIGUSR1);
	return do_epoll_forever();
}

static int do_pause(void)
{
	handle_user();
	start_child(SIGUSR1);
	return interrupted(pause());
}

static const struct {
	const char *name;
	int (*call)(void);
} calls[] = {
	{ "nanosleep", do_nanosleep },
	{ "clock_nanosleep", do_clock_nanosleep },
	{ "poll", do_poll },
	{ "select", do_select },
	{ "condition", do_condition },
	{ "semaphore", do_semaphore },
	{ "read", do_read },
	{ "recv", do_recv },
	{ "timerfd", do_timerfd },
	{ "wait", do_wait },
	{ "flock", do_flock },
	{ "epoll", do_epoll },
	{ "epoll_forever", do_epoll_forever },
	{ "epoll_timeout", do_epoll_timeout },
	{ "sigwait", do_sigwait },
	{ "epoll_signal", do_epoll_signal },
	{ "pause", do_pause },
	{ "pause_forever", do_pause_forever },
	{ "poll_forever", do_poll_forever },
	{ "read_forever", do_read_forever },
	{ "read_restarted", do_read_restarted },
};

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || pipe(ends))
		return 2;
	if (argc == 3)
		ms = atoi(argv[2]);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(argv[1], calls[i].name))
			continue;
		printf("ready\n");
		fflush(stdout);
		double start = now();
		errno = 0;
		int result = calls[i].call();
		int error = errno;
		printf("%s %d %d %.1f\n", argv[1], result, error, now() - start);
		fflush(stdout);
		char byte; /* there until the test is done with us */
		for (errno = 0; read(0, &byte, 1) > 0 || errno == EINTR;)
			errno = 0;
		return 0;
	}
	return 2;
}
