/* SPDX-License-Identifier: MIT */
/* Streams and what they carry; the listening socket is in feed_socket.c. */
#include "viewer/live/feed.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "viewer/files/files.h"
#include "viewer/live/feed_internal.h"
#include "viewer/text/text.h"

/* 10 s, 120 s, 1 KiB/s */
static const struct feed_limits feed_default_limits = { 10000, 120000, 1024 };

/* Bytes taken from one stream before the next one's turn. */
enum { PIECE = 1 << 20 };

/* CLOCK_MONOTONIC, in ns. */
static uint64_t feed_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void feed_note(struct feed *feed,
							    const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	feed->ops->note(feed->arg, text);
}

static void feed_on_progress(void *arg, const struct snap_progress *p)
{
	struct incoming *in = arg;
	struct text t = { 0 };
	size_t size = 0;
	const struct heap *heap = loader_peek(in->loader, NULL, NULL);
	const char *phase = heap_string(heap, p->phase, &size);

	text_escape(&t, phase, size, 40, 0);
	snprintf(in->phase, sizeof(in->phase), "%s", text_get(&t));
	text_free(&t);
	in->done = p->done;
	in->estimate = p->estimate;
}

static struct snap_sink *feed_on_begin(void *arg, uint32_t ordinal)
{
	struct stream *stream = arg;
	struct incoming *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->loader = loader_create();
	if (!in->loader) {
		free(in);
		return NULL;
	}
	in->ordinal = ordinal;
	in->began_ns = feed_now_ns();
	stream->in = in;
	stream->snapshots++;
	tap_init(&stream->tap, loader_sink(in->loader), feed_on_progress, in);
	stream->feed->ops->began(stream->feed->arg, in);
	return &stream->tap.sink;
}

/* Makes the heap of what came, and hands it over. */
static void feed_finish_incoming(struct stream *stream, bool complete,
				 const char *problem)
{
	struct incoming *in = stream->in;

	if (!in)
		return;
	stream->in = NULL;
	in->over = true;
	in->complete = complete;
	if (problem)
		snprintf(in->problem, sizeof(in->problem), "%s", problem);
	int err = loader_finish(in->loader, complete, &in->heap);
	if (err) {
		in->heap = NULL;
		snprintf(in->problem, sizeof(in->problem),
			 "the snapshot cannot be shown: %s", strerror(-err));
	}
	loader_destroy(in->loader);
	in->loader = NULL;
	stream->feed->ops->ended(stream->feed->arg, in);
	heap_destroy(in->heap);
	free(in);
}

static int feed_on_finish(void *arg, uint32_t ordinal, int complete,
			  const struct snap_problem *problem)
{
	(void)ordinal;
	feed_finish_incoming(arg, complete && !problem, problem ? problem->text : NULL);
	return 0;
}

static const struct snap_parser_ops parser_ops = { .begin = feed_on_begin,
						   .finish = feed_on_finish };

struct feed *feed_create(const struct feed_limits *limits, const struct feed_ops *ops,
			 void *arg)
{
	struct feed *feed = calloc(1, sizeof(*feed));

	if (!feed)
		return NULL;
	feed->buffer = malloc(PIECE);
	if (!feed->buffer) {
		free(feed);
		return NULL;
	}
	feed->limits = limits ? *limits : feed_default_limits;
	feed->ops = ops;
	feed->arg = arg;
	feed->listener.fd = -1;
	return feed;
}

/* Takes fd over on success. 0, -ENOMEM, -EMFILE (too many streams). */
static int feed_add_stream(struct feed *feed, int fd, bool inherited, long pid)
{
	assert(feed->nstreams <= FEED_MAX_STREAMS);
	if (feed->nstreams == FEED_MAX_STREAMS)
		return -EMFILE;
	struct stream *stream = calloc(1, sizeof(*stream));
	if (!stream)
		return -ENOMEM;
	*stream = (struct stream){
		.feed = feed, .fd = fd, .inherited = inherited, .pid = pid
	};
	stream->parser = snap_parser_create(NULL, &parser_ops, stream);
	if (!stream->parser) {
		free(stream);
		return -ENOMEM;
	}
	stream->began_ns = stream->heard_ns = feed_now_ns();
	feed->streams[feed->nstreams++] = stream;
	return 0;
}

int feed_add(struct feed *feed, int fd)
{
	return feed_add_stream(feed, fd, true, 0);
}

int feed_save(struct feed *feed, const char *folder)
{
	feed->saved = saved_open(folder);
	return feed->saved ? 0 : -ENOMEM;
}

static void feed_save_failed(struct stream *stream, int err)
{
	feed_note(stream->feed, "not kept as a file: %s", strerror(err));
	saved_drop(stream->file);
	stream->file = NULL;
}

/* What has just been read, from the first on. */
static void feed_save_bytes(struct stream *stream, size_t size)
{
	struct saved *const saved = stream->feed->saved;

	if (saved && !stream->inherited && stream->bytes == size) {
		stream->file = saved_begin(saved);
		if (!stream->file)
			feed_save_failed(stream, errno);
	}
	const int err =
		stream->file ? saved_write(stream->file, stream->feed->buffer, size) : 0;
	if (err)
		feed_save_failed(stream, -err);
}

static void feed_save_end(struct stream *stream)
{
	char name[PATH_MAX];

	if (!stream->file)
		return;
	if (!stream->snapshots) {
		saved_drop(stream->file);
		return;
	}
	const int err = saved_end(stream->feed->saved, stream->file, name, sizeof(name));

	if (err)
		feed_note(stream->feed, "not kept as a file: %s", strerror(-err));
	else
		feed_note(stream->feed, "written to %s", name);
}

/* Ends a stream. why: what to say of an unfinished snapshot; NULL = the parser's
 * words. */
static void feed_close_stream(struct feed *feed, int slot, const char *why)
{
	struct stream *stream = feed->streams[slot];
	struct snap_problem problem = { 0 };

	assert(slot >= 0 && slot < feed->nstreams);
	feed->nstreams--;
	memmove(feed->streams + slot, feed->streams + slot + 1,
		(size_t)(feed->nstreams - slot) * sizeof(*feed->streams));
	if (why)
		feed_finish_incoming(stream, false, why);
	else if (snap_parser_finish(stream->parser, &problem) < 0)
		feed_finish_incoming(stream, false, problem.text);
	feed_finish_incoming(stream, false, "the stream ended before the snapshot did");
	feed_save_end(stream);
	snap_parser_destroy(stream->parser);
	close(stream->fd);
	free(stream);
}

static void feed_drop(struct feed *feed, int slot, const char *why)
{
	char who[64];
	struct stream *stream = feed->streams[slot];

	if (stream->pid)
		snprintf(who, sizeof(who), "sender %ld", stream->pid);
	else
		snprintf(who, sizeof(who), "the stream");
	feed_note(feed, "%s dropped: %s", who, why);
	feed_close_stream(feed, slot, why);
}

void feed_destroy(struct feed *feed)
{
	if (!feed)
		return;
	while (feed->nstreams)
		feed_close_stream(feed, 0, "the viewer ended");
	files_unlisten(&feed->listener);
	saved_close(feed->saved);
	free(feed->buffer);
	free(feed);
}

int feed_poll(const struct feed *feed, struct pollfd *fds, int max)
{
	int n = 0;

	if (feed->listener.fd >= 0 && n < max)
		fds[n++] = (struct pollfd){ .fd = feed->listener.fd, .events = POLLIN };
	for (int i = 0; i < feed->nstreams && n < max; i++)
		fds[n++] =
			(struct pollfd){ .fd = feed->streams[i]->fd, .events = POLLIN };
	return n;
}

/* When the stream is overdue, and for what reason. */
static uint64_t feed_deadline(const struct feed *feed, const struct stream *s,
			      const char **why)
{
	const uint64_t ms = 1000000;

	if (s->inherited)
		return UINT64_MAX;
	if (!s->snapshots) {
		*why = "no snapshot began in time";
		return s->began_ns + feed->limits.hello_ms * ms;
	}
	uint64_t idle = s->heard_ns + feed->limits.idle_ms * ms;
	uint64_t slow = s->began_ns + feed->limits.idle_ms * ms +
		s->bytes * 1000 / (feed->limits.min_rate + 1) * ms;
	*why = idle < slow ? "nothing came for too long" : "it sends too slowly";
	return idle < slow ? idle : slow;
}

int feed_timeout(const struct feed *feed)
{
	uint64_t next = UINT64_MAX, now = feed_now_ns();
	const char *why;

	for (int i = 0; i < feed->nstreams; i++) {
		uint64_t at = feed_deadline(feed, feed->streams[i], &why);
		next = at < next ? at : next;
	}
	if (next == UINT64_MAX)
		return -1;
	uint64_t left = next > now ? (next - now) / 1000000 + 1 : 0;
	return left > 3600000 ? 3600000 : (int)left;
}

/* One read. False: the stream is over or was dropped. */
static bool feed_take(struct feed *feed, int slot)
{
	struct stream *stream = feed->streams[slot];
	struct snap_problem problem = { 0 };
	ssize_t n = read(stream->fd, feed->buffer, PIECE);

	assert(slot >= 0 && slot < feed->nstreams);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	if (n <= 0) {
		if (!stream->snapshots && !stream->inherited && stream->bytes)
			feed_drop(feed, slot, "it closed before a snapshot began");
		else
			feed_close_stream(feed, slot, n < 0 ? strerror(errno) : NULL);
		return false;
	}
	stream->heard_ns = feed_now_ns();
	stream->bytes += (uint64_t)n;
	feed_save_bytes(stream, (size_t)n);
	if (snap_parser_feed(stream->parser, feed->buffer, (size_t)n, &problem) < 0) {
		feed_drop(feed, slot,
			  problem.text[0] ? problem.text : "its bytes are no snapshot");
		return false;
	}
	if (stream->in)
		stream->in->bytes += (uint64_t)n;
	return true;
}

static bool feed_drop_overdue(struct feed *feed)
{
	bool any = false;
	uint64_t now = feed_now_ns();

	for (int i = feed->nstreams - 1; i >= 0; i--) {
		const char *why = "";
		if (feed_deadline(feed, feed->streams[i], &why) <= now) {
			feed_drop(feed, i, why);
			any = true;
		}
	}
	return any;
}

static int feed_slot_of(const struct feed *feed, int fd)
{
	for (int i = 0; i < feed->nstreams; i++)
		if (feed->streams[i]->fd == fd)
			return i;
	return -1;
}

int feed_listen(struct feed *feed, const char *path, char *err, size_t size)
{
	if (strlen(path) > LISTENER_PATH_MAX || !*path) {
		snprintf(err, size, "the socket's path must have 1 to %d bytes",
			 LISTENER_PATH_MAX);
		return -1;
	}
	const int rc = files_listen(&feed->listener, path);
	if (rc < 0)
		snprintf(err, size, "cannot listen on %s: %s", path,
			 rc == -EADDRINUSE ?
				 "something is there already (another viewer?)" :
				 strerror(-rc));
	return rc < 0 ? -1 : 0;
}

/* Takes one waiting peer in or turns it away; true when there was one. */
static bool feed_accept(struct feed *feed)
{
	struct ucred peer = { 0 };
	int err, fd = listener_accept(&feed->listener, &peer);

	if (fd < 0)
		return false;
	const uid_t ours = rights_ours()->was;
	if (peer.uid != ours && peer.uid != 0) {
		feed_note(feed, "sender %ld dropped: it runs as uid %ld, we as %ld",
			  (long)peer.pid, (long)peer.uid, (long)ours);
		close(fd);
		return true;
	}
	err = feed_add_stream(feed, fd, false, peer.pid);
	if (err) {
		feed_note(feed, "sender %ld dropped: %s", (long)peer.pid,
			  err == -EMFILE ? "too many senders at once" : strerror(-err));
		close(fd);
	}
	return true;
}

bool feed_serve(struct feed *feed, const struct pollfd *fds, int n)
{
	bool any = false;

	for (int i = 0; i < n; i++) {
		int slot = fds[i].revents ? feed_slot_of(feed, fds[i].fd) : -1;
		if (slot < 0)
			continue;
		feed_take(feed, slot);
		any = true;
	}
	for (int i = 0; i < n; i++) /* after the reads: fds may be reused */
		if (fds[i].revents && fds[i].fd == feed->listener.fd)
			any |= feed_accept(feed);
	return feed_drop_overdue(feed) || any;
}

int feed_open_streams(const struct feed *feed)
{
	return feed->nstreams;
}

bool feed_listens(const struct feed *feed)
{
	return feed->listener.fd >= 0;
}
