/* SPDX-License-Identifier: MIT */
/*
 * The parent's side: temporary file, child, its processor time, result.  The child's
 * side is in draw_child.c.
 */
#include "viewer/graph/draw.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "viewer/files/files.h"
#include "viewer/graph/draw_ahead.h"
#include "viewer/graph/draw_child.h"

enum { IDLE_MS = 300000 };

/* 60 s of processor time, 2 GiB */
static const struct draw_limits draw_default_limits = { 60000, 2ull << 30, IDLE_MS };

/* Processor time that a child has used; 0 where it can't be told (its own limit,
 * RLIMIT_CPU, ends it then). */
static uint64_t draw_used_ms(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int draw_cannot_write(const char *file, int code, char *err, size_t size)
{
	snprintf(err, size, "cannot write %s: %s", file, strerror(-code));
	return -1;
}

static int draw_publish(struct new_file *new, const char *file, char *err, size_t size)
{
	if (files_is_special(file)) {
		files_abort(new);
		snprintf(err, size, "cannot write %s: it is there and is no file", file);
		return -1;
	}
	const int code = files_commit(new);
	return code ? draw_cannot_write(file, code, err, size) : 0;
}

int draw_save(const char *file, const char *data, size_t data_size, char *err,
	      size_t size)
{
	struct new_file new;
	int code = files_create(&new, file);

	if (code)
		return draw_cannot_write(file, code, err, size);
	code = files_write(new.fd, data, data_size);
	if (code == 0)
		return draw_publish(&new, file, err, size);
	files_abort(&new);
	return draw_cannot_write(file, code, err, size);
}

struct watch {
	pid_t pid;
	int fd; /* the child's words */
	char words[512];
	size_t nwords;
	char verdict[160];	    /* why it was killed; "": it wasn't */
	uint64_t used_ms, since_ms; /* its processor time, and since when it is that */
};

static void draw_hear(struct watch *w)
{
	char buf[512];
	ssize_t n = read(w->fd, buf, sizeof(buf));

	if (n <= 0) {
		close(w->fd);
		w->fd = -1;
		return;
	}
	size_t room = sizeof(w->words) - 1 - w->nwords;
	size_t take = (size_t)n < room ? (size_t)n : room;
	memcpy(w->words + w->nwords, buf, take);
	w->nwords += take;
	w->words[w->nwords] = 0;
}

static uint64_t draw_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* It sleeps: in a lock of a library's, or in a file system that doesn't answer. */
static bool draw_is_idle(struct watch *w, uint64_t used, uint32_t idle_ms)
{
	const uint64_t now = draw_now_ms();

	if (used != w->used_ms || !w->since_ms) {
		w->used_ms = used;
		w->since_ms = now;
	}
	return now - w->since_ms > (idle_ms ? idle_ms : IDLE_MS);
}

/*
 * Until the child closes its pipe (ends), its time is used up, it does nothing any more
 * or the user stops it.
 */
static void draw_watch(struct watch *w, const struct draw_limits *limits,
		       const struct progress *progress)
{
	const uint32_t cpu_ms = limits->cpu_ms;

	while (w->fd >= 0) {
		struct pollfd p = { .fd = w->fd, .events = POLLIN };
		if (poll(&p, 1, 50) > 0)
			draw_hear(w);
		const uint64_t used = draw_used_ms(w->pid);
		if (w->fd >= 0 && used > cpu_ms)
			snprintf(w->verdict, sizeof(w->verdict),
				 "Graphviz used its %" PRIu32 ".%" PRIu32
				 " s of processor time up; --depth makes a smaller one",
				 cpu_ms / 1000, cpu_ms % 1000 / 100);
		else if (w->fd >= 0 && draw_is_idle(w, used, limits->idle_ms))
			snprintf(w->verdict, sizeof(w->verdict),
				 "Graphviz slept and was ended; --graph with -o FILE.dot "
				 "writes what it was to draw");
		else if (progress_step(progress, "drawing", used, cpu_ms))
			snprintf(w->verdict, sizeof(w->verdict), "stopped");
		if (*w->verdict) {
			kill(w->pid, SIGKILL);
			break;
		}
	}
}

static int draw_judge(const struct watch *w, int status, int fd, char *err, size_t size)
{
	struct stat st;

	if (*w->verdict)
		snprintf(err, size, "the graph could not be drawn: %s", w->verdict);
	else if (WIFSIGNALED(status))
		snprintf(err, size, "Graphviz ended by signal %d (%s)%s%.200s",
			 WTERMSIG(status), strsignal(WTERMSIG(status)),
			 w->nwords ? ": " : "", w->words);
	else if (WEXITSTATUS(status) != 0)
		snprintf(err, size, "%.300s", w->nwords ? w->words : "Graphviz failed");
	else if (fstat(fd, &st) < 0 || st.st_size == 0)
		snprintf(err, size, "Graphviz wrote nothing");
	else
		return 0;
	return -1;
}

/* The one that was made ahead, or a child made now: its pid, or a negative errno. */
static pid_t draw_begin(const char *dot, const char *engine, const char *format, int out,
			const struct draw_limits *limits, int words_fd)
{
	if (draw_ahead_waits())
		return draw_ahead_begin(dot, engine, format, out, limits, words_fd);
	const pid_t pid = fork();
	if (pid == 0)
		draw_child(dot, engine, format, out, limits, words_fd);
	return pid < 0 ? -errno : pid;
}

int draw_dot(const char *dot, const char *engine, const char *format, const char *file,
	     const struct draw_limits *limits, const struct progress *progress, char *err,
	     size_t size)
{
	int pipes[2], rc = -1, status = 0;
	struct new_file new;

	if (!limits)
		limits = &draw_default_limits;
	const int code = files_create(&new, file);
	if (code)
		return draw_cannot_write(file, code, err, size);
	if (pipe2(pipes, O_CLOEXEC) < 0) {
		snprintf(err, size, "cannot make a pipe: %s", strerror(errno));
		goto remove;
	}
	struct watch w = { .fd = pipes[0] };
	w.pid = draw_begin(dot, engine, format, new.fd, limits, pipes[1]);
	close(pipes[1]);
	if (w.pid < 0) {
		snprintf(err, size, "cannot start to draw: %s", strerror(-w.pid));
		close(pipes[0]);
		goto remove;
	}
	draw_watch(&w, limits, progress);
	while (waitpid(w.pid, &status, 0) < 0 && errno == EINTR)
		;
	if (w.fd >= 0)
		close(w.fd);
	rc = draw_judge(&w, status, new.fd, err, size);
	if (rc == 0)
		return draw_publish(&new, file, err, size);
remove:
	files_abort(&new);
	return rc;
}
