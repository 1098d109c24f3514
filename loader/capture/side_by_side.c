/* SPDX-License-Identifier: MIT */
/* side_by_side - see side_by_side.h. */
#include "loader/capture/side_by_side.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/base/deadline.h"

/* What a child sends: progress again and again, its result once. */
struct report_packet {
	bool last;
	char phase[128];
	uint64_t objects, bytes;
	struct capture_result result;
};

struct worker {
	pid_t pid; /* of the child, 0 = none */
	int fd;	   /* our end, -1 = finished */
	bool left; /* it gave up, and may not be able to end (warden.h) */
};

static void side_by_side_send_packet(int fd, const struct report_packet *packet)
{
	while (send(fd, packet, sizeof(*packet), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void side_by_side_tell_progress(void *arg, const char *phase, uint64_t objects,
				       uint64_t bytes)
{
	struct report_packet packet;

	memset(&packet, 0, sizeof(packet)); /* padding too: it leaves the process */
	snprintf(packet.phase, sizeof(packet.phase), "%s", phase);
	packet.objects = objects;
	packet.bytes = bytes;
	side_by_side_send_packet(*(const int *)arg, &packet);
}

static _Noreturn void side_by_side_work(const struct capture_job *job, int fd)
{
	struct capture_job mine = *job;
	struct report_packet packet;

	memset(&packet, 0, sizeof(packet));
	mine.progress = side_by_side_tell_progress;
	mine.progress_arg = &fd;
	deadline_tell(fd);
	capture_run(&mine, &packet.result);
	packet.last = true;
	side_by_side_send_packet(fd, &packet);
	_exit(0);
}

static void side_by_side_failed(struct capture_result *ret, const struct capture_job *job,
				const char *why)
{
	*ret = (struct capture_result){ .pid = job->pid, .status = CAPTURE_FAILED };
	snprintf(ret->name, sizeof(ret->name), "%s", job->plan->name);
	snprintf(ret->error, sizeof(ret->error), "%s", why);
}

static void side_by_side_start(struct worker *w, const struct capture_job *job,
			       struct capture_result *result)
{
	int pair[2] = { -1, -1 };

	*w = (struct worker){ .fd = -1 };
	if (!job->plan)
		return;
	side_by_side_failed(result, job, "its capture ended unexpectedly");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0)
		w->pid = fork();
	if (w->pid == 0 && pair[0] >= 0) {
		close(pair[0]);
		side_by_side_work(job, pair[1]);
	}
	if (pair[1] >= 0)
		close(pair[1]);
	if (w->pid > 0) {
		w->fd = pair[0];
		return;
	}
	w->pid = 0;
	if (pair[0] >= 0)
		close(pair[0]);
	side_by_side_failed(result, job, "no process could be made for it");
}

/* True while the worker has more to say. */
static bool side_by_side_listen_to(struct worker *w, const struct capture_job *job,
				   struct capture_result *result)
{
	struct report_packet packet;
	const ssize_t n = recv(w->fd, &packet, sizeof(packet), 0);

	if (n < 0 && errno == EINTR)
		return true;
	if (n == (ssize_t)sizeof(packet) && !packet.last) {
		if (job->progress)
			job->progress(job->progress_arg, packet.phase, packet.objects,
				      packet.bytes);
		return true;
	}
	if (n == (ssize_t)sizeof(packet))
		*result = packet.result;
	w->left = n == 1;
	close(w->fd);
	w->fd = -1;
	return false;
}

static void side_by_side_finish(struct worker *w, const struct capture_job *job,
				const struct capture_result *result)
{
	while (w->pid > 0 && waitpid(w->pid, NULL, w->left ? WNOHANG : 0) < 0 &&
	       errno == EINTR)
		;
	/* What the child's part counted stayed in the child. */
	if (w->pid > 0)
		job->part->written = result->bytes;
	w->pid = 0;
}

void side_by_side_run(const struct capture_job *jobs, size_t count,
		      struct capture_result *results)
{
	struct worker *workers = calloc(count, sizeof(*workers));
	struct pollfd *polls = calloc(count, sizeof(*polls));
	size_t open = 0;

	assert(count > 0);
	for (size_t i = 0; i < count && workers && polls; i++) {
		side_by_side_start(&workers[i], &jobs[i], &results[i]);
		open += workers[i].fd >= 0;
	}
	while (open > 0) {
		for (size_t i = 0; i < count; i++)
			polls[i] =
				(struct pollfd){ .fd = workers[i].fd, .events = POLLIN };
		if (poll(polls, count, -1) < 0)
			continue;
		for (size_t i = 0; i < count; i++) {
			if (polls[i].revents &&
			    !side_by_side_listen_to(&workers[i], &jobs[i], &results[i]))
				open--;
		}
	}
	for (size_t i = 0; i < count && workers && polls; i++)
		side_by_side_finish(&workers[i], &jobs[i], &results[i]);
	free(workers);
	free(polls);
}
