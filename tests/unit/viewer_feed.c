/* SPDX-License-Identifier: MIT */
/* Streams that arrive: several at once, cut, silent, slow, and no snapshots at all. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "formats/core/writer.h"
#include "viewer/live/feed.h"

/* ---- a small snapshot as bytes ---- */

struct bytes {
	char *data;
	size_t size;
};

static int append(void *arg, const void *data, size_t size)
{
	struct bytes *b = arg;
	b->data = realloc(b->data, b->size + size);
	assert_non_null(b->data);
	memcpy(b->data + b->size, data, size);
	b->size += size;
	return 0;
}

static struct bytes snapshot(uint64_t pid, int objects)
{
	struct bytes b = { 0 };
	size_t size = (snap_writer_memory() + 63) & ~(size_t)63;
	void *memory = aligned_alloc(64, size);
	int err;
	struct snap_writer *w = snap_writer_init(memory, size, append, &b, &err);
	assert_non_null(w);
	struct snap_sink *s = snap_writer_sink(w);
	struct snap_fact fact = { .key = "pid", .kind = SNAP_FACT_U64, .u64 = pid };
	struct snap_type type = { .id = 1, .name = 1, .addr = 0x1000, .basicsize = 16 };
	s->ops->fact(s, &fact);
	s->ops->string(s, 1, "builtins.object", 15);
	s->ops->type(s, &type);
	for (int i = 0; i < objects; i++) {
		struct snap_object o = { .addr = 0x10000 + 32u * (unsigned)i,
					 .size = 16,
					 .refcount = 1,
					 .type = 1 };
		s->ops->object(s, &o);
		if (i == objects / 2)
			snap_writer_flush(w);
	}
	assert_int_equal(s->ops->end(s), 0);
	free(memory);
	return b;
}

/* ---- what the feed tells ---- */

struct seen {
	int began, ended, complete, notes;
	uint64_t objects[8], pid[8];
	char last_note[400], last_problem[400];
};

static void on_began(void *arg, struct incoming *in)
{
	(void)in;
	((struct seen *)arg)->began++;
}

static void on_ended(void *arg, struct incoming *in)
{
	struct seen *s = arg;
	assert_true(s->ended < 8);
	assert_non_null(in->heap);
	s->objects[s->ended] = in->heap->objects;
	s->pid[s->ended] = heap_fact_u64(in->heap, "pid", 0);
	s->ended++;
	s->complete += in->complete;
	snprintf(s->last_problem, sizeof(s->last_problem), "%s", in->problem);
}

static void on_note(void *arg, const char *sentence)
{
	struct seen *s = arg;
	s->notes++;
	snprintf(s->last_note, sizeof(s->last_note), "%s", sentence);
}

static const struct feed_ops ops = { on_began, on_ended, on_note };
static const struct feed_limits short_limits = { 150, 400, 1 << 20 };

static char directory[] = "/tmp/pymem-feed-XXXXXX";
static char path[100];

static int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", directory);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(directory); /* fails when a socket was left behind */
}

static struct feed *listening(const struct feed_limits *limits, struct seen *seen)
{
	char err[300] = "";
	memset(seen, 0, sizeof(*seen));
	struct feed *feed = feed_create(limits, &ops, seen);
	assert_non_null(feed);
	assert_int_equal(feed_listen(feed, path, err, sizeof(err)), 0);
	return feed;
}

static int sender(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void send_bytes(int fd, const void *data, size_t size)
{
	assert_int_equal(send(fd, data, size, MSG_NOSIGNAL), size);
}

static void serve_once(struct feed *feed, int timeout)
{
	struct pollfd fds[FEED_MAX_POLL];
	int n = feed_poll(feed, fds, FEED_MAX_POLL), due = feed_timeout(feed);
	if (due >= 0 && due < timeout)
		timeout = due;
	assert_true(poll(fds, (nfds_t)n, timeout) >= 0);
	feed_serve(feed, fds, n);
}

/* Serves until *what reaches value; fails after five seconds. */
static void serve_until(struct feed *feed, const int *what, int value)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	time_t until = t.tv_sec + 5;
	while (*what < value) {
		serve_once(feed, 100);
		clock_gettime(CLOCK_MONOTONIC, &t);
		assert_true(t.tv_sec <= until);
	}
}

static void test_private_socket(void **state)
{
	(void)state;
	struct seen seen, other_seen = { 0 };
	struct stat st;
	char err[300];
	struct feed *feed = listening(NULL, &seen);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct feed *second = feed_create(NULL, &ops, &other_seen);
	assert_int_equal(feed_listen(second, path, err, sizeof(err)), -1);
	assert_non_null(strstr(err, "something is there already"));
	feed_destroy(second);
	assert_int_equal(stat(path, &st), 0); /* the other's is not ours to remove */
	feed_destroy(feed);
	assert_int_equal(stat(path, &st), -1);
}

static void test_left_over_socket_is_replaced(void **state)
{
	(void)state;
	struct seen seen;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	strcpy(addr.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	feed_destroy(listening(NULL, &seen));
	FILE *f = fopen(path, "we"); /* but a file is not */
	fclose(f);
	char err[300];
	struct feed *feed = feed_create(NULL, &ops, &seen);
	assert_int_equal(feed_listen(feed, path, err, sizeof(err)), -1);
	feed_destroy(feed);
	assert_int_equal(unlink(path), 0);
}

static void test_four_at_once_in_small_pieces(void **state)
{
	(void)state;
	struct seen seen;
	struct bytes b[4];
	size_t sent[4] = { 0 };
	int fd[4], left = 4;
	struct feed *feed = listening(NULL, &seen);
	for (int i = 0; i < 4; i++) {
		b[i] = snapshot(100 + (unsigned)i, 1000 * (i + 1));
		fd[i] = sender();
	}
	while (left > 0) {
		for (int i = 0; i < 4; i++) {
			size_t n = b[i].size - sent[i] < 37 ? b[i].size - sent[i] : 37;
			if (fd[i] < 0)
				continue;
			send_bytes(fd[i], b[i].data + sent[i], n);
			sent[i] += n;
			if (sent[i] == b[i].size) {
				close(fd[i]);
				fd[i] = -1;
				left--;
			}
		}
		serve_once(feed, 0);
	}
	serve_until(feed, &seen.ended, 4);
	assert_int_equal(seen.complete, 4);
	assert_int_equal(seen.notes, 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(seen.objects[i], 1000 * (seen.pid[i] - 99));
		free(b[i].data);
	}
	assert_int_equal(feed_open_streams(feed), 0);
	feed_destroy(feed);
}

static void test_killed_sender(void **state)
{
	(void)state;
	struct seen seen;
	struct bytes b = snapshot(7, 4000);
	struct feed *feed = listening(NULL, &seen);
	int fd = sender();
	send_bytes(fd, b.data, b.size - 40);
	close(fd);
	serve_until(feed, &seen.ended, 1);
	assert_int_equal(seen.complete, 0);
	assert_int_equal(seen.pid[0], 7);
	assert_true(seen.objects[0] >= 2000 && seen.objects[0] <= 4000);
	assert_true(seen.last_problem[0]);
	free(b.data);
	feed_destroy(feed);
}

static void test_stalled_sender_stops_nobody(void **state)
{
	(void)state;
	struct seen seen;
	struct bytes b = snapshot(8, 4000);
	struct feed *feed = listening(&short_limits, &seen);
	int stalled = sender(), good = sender();
	send_bytes(stalled, b.data, b.size / 2);
	send_bytes(good, b.data, b.size);
	close(good);
	serve_until(feed, &seen.complete, 1);
	assert_int_equal(seen.ended, 1);   /* the stalled one is still awaited */
	serve_until(feed, &seen.ended, 2); /* ... but not for ever */
	assert_non_null(strstr(seen.last_note, "dropped"));
	assert_int_equal(seen.complete, 1);
	close(stalled);
	free(b.data);
	feed_destroy(feed);
}

static void test_garbage(void **state)
{
	(void)state;
	struct seen seen;
	struct feed *feed = listening(NULL, &seen);
	int fd = sender();
	send_bytes(fd, "GET / HTTP/1.1\r\nHost: \033[31mx\r\n\r\n", 33);
	serve_until(feed, &seen.notes, 1);
	assert_int_equal(feed_open_streams(feed), 0);
	assert_non_null(strstr(seen.last_note, "dropped"));
	assert_null(strchr(seen.last_note, '\033'));
	assert_int_equal(seen.began, 0);
	close(fd);
	feed_destroy(feed);
}

static void test_silent_peer(void **state)
{
	(void)state;
	struct seen seen;
	struct feed *feed = listening(&short_limits, &seen);
	int fd = sender();
	serve_until(feed, &seen.notes, 1);
	assert_non_null(strstr(seen.last_note, "no snapshot began in time"));
	assert_int_equal(feed_open_streams(feed), 0);
	close(fd);
	feed_destroy(feed);
}

/* A byte now and then keeps no connection open. */
static void test_slow_loris(void **state)
{
	(void)state;
	struct seen seen;
	struct bytes b = snapshot(9, 200);
	struct feed *feed = listening(&short_limits, &seen);
	int fd = sender();
	size_t sent = b.size / 2;
	send_bytes(fd, b.data, sent);
	for (int i = 0; i < 100 && seen.notes == 0; i++) {
		send(fd, b.data + sent, 1, MSG_NOSIGNAL);
		sent++;
		serve_once(feed, 20);
		usleep(10000);
	}
	assert_int_equal(seen.notes, 1);
	assert_non_null(strstr(seen.last_note, "too slowly"));
	assert_int_equal(feed_open_streams(feed), 0);
	close(fd);
	free(b.data);
	feed_destroy(feed);
}

static void test_too_many(void **state)
{
	(void)state;
	struct seen seen;
	int fds[FEED_MAX_STREAMS + 1];
	struct feed *feed = listening(NULL, &seen);
	for (int i = 0; i <= FEED_MAX_STREAMS; i++) {
		fds[i] = sender();
		serve_once(feed, 100);
	}
	serve_until(feed, &seen.notes, 1);
	assert_int_equal(feed_open_streams(feed), FEED_MAX_STREAMS);
	assert_non_null(strstr(seen.last_note, "too many"));
	for (int i = 0; i <= FEED_MAX_STREAMS; i++)
		close(fds[i]);
	feed_destroy(feed);
}

/* An inherited stream with two processes in it. */
static void test_inherited_stream(void **state)
{
	(void)state;
	struct seen seen = { 0 };
	struct bytes a = snapshot(1, 10), b = snapshot(2, 20);
	struct feed *feed = feed_create(&short_limits, &ops, &seen);
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(feed_add(feed, fds[0]), 0);
	assert_int_equal(feed_timeout(feed), -1); /* no deadlines */
	assert_int_equal(write(fds[1], a.data, a.size), a.size);
	assert_int_equal(write(fds[1], b.data, b.size), b.size);
	close(fds[1]);
	serve_until(feed, &seen.ended, 2);
	assert_int_equal(seen.complete, 2);
	assert_int_equal(seen.objects[0], 10);
	assert_int_equal(seen.objects[1], 20);
	free(a.data);
	free(b.data);
	feed_destroy(feed);
}

/* The viewer ends while a snapshot arrives: what came is handed over. */
static void test_destroy_in_between(void **state)
{
	(void)state;
	struct seen seen;
	struct bytes b = snapshot(3, 4000);
	struct feed *feed = listening(NULL, &seen);
	int fd = sender();
	send_bytes(fd, b.data, b.size / 2);
	serve_until(feed, &seen.began, 1);
	feed_destroy(feed);
	assert_int_equal(seen.ended, 1);
	assert_int_equal(seen.complete, 0);
	close(fd);
	free(b.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_socket),
		cmocka_unit_test(test_left_over_socket_is_replaced),
		cmocka_unit_test(test_four_at_once_in_small_pieces),
		cmocka_unit_test(test_killed_sender),
		cmocka_unit_test(test_stalled_sender_stops_nobody),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_silent_peer),
		cmocka_unit_test(test_slow_loris),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_inherited_stream),
		cmocka_unit_test(test_destroy_in_between),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
