/* SPDX-License-Identifier: MIT */
/*
 * The receiver against agents of all sorts, played by a thread: one that does
 * its job, one that dies in the middle of a block, says nothing, never gets
 * the GIL, crashes, sends rubbish, doesn't stop; and outputs that fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/core/reader.h"
#include "formats/core/writer.h"
#include "loader/base/clock.h"
#include "loader/capture/capture_facts.h"
#include "loader/output/output.h"
#include "loader/output/part.h"
#include "loader/capture/receive.h"

#define NONCE UINT64_C(0x1122334455667788)
#define MS UINT64_C(1000000)

/* ---- a snapshot to send ---- */

struct buffer {
	char *data;
	size_t size;
};

static int append(void *arg, const void *data, size_t size)
{
	struct buffer *b = arg;

	b->data = realloc(b->data, b->size + size);
	memcpy(b->data + b->size, data, size);
	b->size += size;
	return 0;
}

static struct buffer snapshot;

static void make_snapshot(uint32_t objects)
{
	int err = 0;
	const size_t n = (snap_writer_memory() + 63) / 64 * 64;
	void *mem = aligned_alloc(64, n);
	struct snap_writer *w = snap_writer_init(mem, n, append, &snapshot, &err);
	assert_non_null(w);
	struct snap_sink *s = snap_writer_sink(w);
	const struct snap_fact pid = { .key = "pid", .kind = SNAP_FACT_U64, .u64 = 42 };
	assert_int_equal(s->ops->fact(s, &pid), 0);
	assert_int_equal(s->ops->string(s, 1, "builtins.int", 12), 0);
	const struct snap_type type = {
		.id = 1, .name = 1, .addr = 64, .kind = SNAP_KIND_INT
	};
	assert_int_equal(s->ops->type(s, &type), 0);
	for (uint32_t i = 0; i < objects; i++) {
		const struct snap_object o = { .addr = 4096 + 32 * (uint64_t)i,
					       .size = 28,
					       .refcount = 1 + i % 3,
					       .type = 1 };
		assert_int_equal(s->ops->object(s, &o), 0);
	}
	assert_int_equal(s->ops->end(s), 0);
	free(mem);
}

/* ---- the agent ---- */

struct agent {
	int control, stream;
	void (*play)(struct agent *);
	pthread_t thread;
	bool cancelled;
};

static void message(struct agent *a, uint32_t type, uint64_t va, uint64_t vb,
		    const char *text)
{
	char packet[sizeof(struct pymem_msg) + PYMEM_MSG_TEXT_MAX];
	struct pymem_msg m = { .type = type,
			       .nonce = NONCE,
			       .a = va,
			       .b = vb,
			       .c = 7,
			       .d = 9,
			       .text_size = (uint32_t)strlen(text) };

	memcpy(packet, &m, sizeof(m));
	memcpy(packet + sizeof(m), text, m.text_size);
	assert_true(send(a->control, packet, sizeof(m) + m.text_size, MSG_NOSIGNAL) > 0);
}

static void wait_cancel(struct agent *a)
{
	struct pymem_msg m;

	if (recv(a->control, &m, sizeof(m), 0) == sizeof(m) &&
	    m.type == PYMEM_MSG_CANCEL && m.nonce == NONCE)
		a->cancelled = true;
}

static void stream(struct agent *a, size_t size)
{
	size_t sent = 0;

	while (sent < size) {
		/* Odd pieces, so that blocks arrive cut. */
		const size_t n = size - sent < 7001 ? size - sent : 7001;
		const ssize_t k = send(a->stream, snapshot.data + sent, n, MSG_NOSIGNAL);
		if (k <= 0)
			return;
		sent += (size_t)k;
	}
}

static void *agent_main(void *arg)
{
	struct agent *a = arg;

	a->play(a);
	close(a->control);
	close(a->stream);
	return NULL;
}

static void good(struct agent *a)
{
	message(a, PYMEM_MSG_HELLO, 1, 100, "0");
	message(a, PYMEM_MSG_FORKED, 555, 1000, "");
	message(a, PYMEM_MSG_PHASE, 0, 0, "sweeping\x1b[2J");
	stream(a, snapshot.size);
	message(a, PYMEM_MSG_WALKED, 5000, 12000, "left out: \tframes");
	message(a, PYMEM_MSG_CHILD, 0, 0, "");
	message(a, PYMEM_MSG_DONE, 0, 0, "");
}

static void dies(struct agent *a)
{
	message(a, PYMEM_MSG_HELLO, 1, 100, "0");
	message(a, PYMEM_MSG_FORKED, 555, 1000, "");
	stream(a, snapshot.size - 10);
}

static void silent(struct agent *a)
{
	wait_cancel(a);
}

static void no_gil(struct agent *a)
{
	message(a, PYMEM_MSG_HELLO, 1, 100, "0");
	message(a, PYMEM_MSG_PHASE, 0, 0, "waiting for the GIL");
	wait_cancel(a);
	message(a, PYMEM_MSG_FAILED, PYMEM_FAIL_CANCELLED, 0, "cancelled");
}

static void crashes(struct agent *a)
{
	message(a, PYMEM_MSG_HELLO, 1, 100, "0");
	message(a, PYMEM_MSG_FORKED, 555, 1000, "");
	stream(a, snapshot.size / 2);
	message(a, PYMEM_MSG_CRASH, 11, 0x7000, "bad.Type");
	message(a, PYMEM_MSG_CHILD, 11, 0, "");
	message(a, PYMEM_MSG_DONE, 0, 0, "");
}

static void rubbish(struct agent *a)
{
	static const char junk[4096] = "this is no snapshot";

	send(a->control, "x", 1, MSG_NOSIGNAL);
	message(a, PYMEM_MSG_HELLO, 1, 100, "0");
	message(a, 4711, 1, 2, "from the future");
	for (int i = 0; i < 100; i++)
		send(a->stream, junk, sizeof(junk), MSG_NOSIGNAL | MSG_DONTWAIT);
	wait_cancel(a);
}

static void wrong_nonce(struct agent *a)
{
	struct pymem_msg m = { .type = PYMEM_MSG_FAILED, .nonce = NONCE + 1 };

	send(a->control, &m, sizeof(m), MSG_NOSIGNAL);
	good(a);
}

static void never_stops(struct agent *a)
{
	message(a, PYMEM_MSG_HELLO, 1, 100, "0");
	message(a, PYMEM_MSG_FORKED, 555, 1000, "");
	wait_cancel(a);
	usleep(400000);
}

/* ---- the stage ---- */

struct stage {
	struct agent agent;
	struct injection in;
	struct part part;
	struct receive_options options;
	struct receive_result got;
	int file;
};

static void play(struct stage *s, void (*how)(struct agent *), int file)
{
	int c[2], d[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, d), 0);
	s->in = (struct injection){ .pid = getpid(),
				    .pidfd = -1,
				    .control_fd = c[0],
				    .command_fd = c[0],
				    .stream_fd = d[0],
				    .nonce = NONCE };
	s->agent = (struct agent){ .control = c[1], .stream = d[1], .play = how };
	s->file = file;
	part_init(&s->part, file, true, NULL);
	assert_int_equal(part_begin(&s->part), 0);
	assert_int_equal(pthread_create(&s->agent.thread, NULL, agent_main, &s->agent),
			 0);
	receive_run(&s->in, &s->part, &s->options, &s->got);
	close(c[0]);
	close(d[0]);
	pthread_join(s->agent.thread, NULL);
}

static struct stage fresh(void)
{
	return (struct stage){ .options = { .cancel_fd = -1,
					    .hello_ns = 300 * MS,
					    .gil_timeout_ns = 100 * MS,
					    .grace_ns = 100 * MS } };
}

static int scratch(void)
{
	const int fd = memfd_create("part", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

struct counted {
	struct snap_sink sink;
	uint64_t objects, method_facts;
	int complete;
};

static int count_object(struct snap_sink *sink, const struct snap_object *o)
{
	(void)o;
	((struct counted *)sink)->objects++;
	return 0;
}

static int count_fact(struct snap_sink *sink, const struct snap_fact *f)
{
	if (strcmp(f->key, "capture.method") == 0 && f->size == 5 &&
	    memcmp(f->text, "agent", 5) == 0)
		((struct counted *)sink)->method_facts++;
	return 0;
}

static const struct snap_sink_ops count_ops = { .object = count_object,
						.fact = count_fact };

static struct snap_sink *count_begin(void *arg, uint32_t ordinal)
{
	assert_int_equal(ordinal, 0);
	((struct counted *)arg)->sink.ops = &count_ops;
	return &((struct counted *)arg)->sink;
}

static int count_finish(void *arg, uint32_t ordinal, int complete,
			const struct snap_problem *p)
{
	(void)ordinal;
	if (p)
		print_message("problem: %s\n", p->text);
	((struct counted *)arg)->complete = complete;
	return 0;
}

/* Reads what was written, with its facts, index and trailer. */
static struct counted read_back(struct stage *s)
{
	static const struct snap_parser_ops ops = { count_begin, count_finish };
	struct capture_result result = { .status = CAPTURE_COMPLETE, .method = "agent" };
	struct counted counted = { .complete = -1 };
	struct snap_problem problem = { 0 };

	assert_int_equal(capture_facts_finish(&s->part, &result), 0);
	assert_int_equal(lseek(s->file, 0, SEEK_END), (off_t)s->part.written);
	lseek(s->file, 0, SEEK_SET);
	if (snap_read_fd(s->file, NULL, &ops, &counted, &problem) < 0)
		fail_msg("%s", problem.text);
	part_deinit(&s->part);
	close(s->file);
	return counted;
}

static void complete_capture(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, good, scratch());
	assert_int_equal(s.got.stop, RECEIVE_FINISHED);
	assert_true(s.got.hello && s.got.forked && s.got.walked && s.got.done &&
		    s.got.idle);
	assert_int_equal(s.got.gil_wait_ns, 1000);
	assert_int_equal(s.got.objects, 5000);
	assert_string_equal(s.got.phase, "sweeping\\x1b[2J");
	assert_string_equal(s.got.doubt, "left out: \\tframes");
	assert_true(s.part.state.ended);
	const struct counted c = read_back(&s);
	assert_int_equal(c.objects, 200000);
	assert_int_equal(c.complete, 1);
	assert_int_equal(c.method_facts, 1);
}

static void truncated_stays_readable(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, dies, scratch());
	assert_true(s.got.idle);
	assert_false(s.part.state.ended);
	assert_true(s.part.written > 0 && s.part.written < snapshot.size);
	const struct counted c = read_back(&s);
	assert_true(c.objects > 0);
	assert_int_equal(c.complete, 0);
	assert_int_equal(c.method_facts, 1);
}

static void no_hello(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, silent, scratch());
	assert_int_equal(s.got.stop, RECEIVE_NO_HELLO);
	assert_true(s.agent.cancelled);
	assert_int_equal(s.part.written, 0);
	part_deinit(&s.part);
	close(s.file);
}

static void gil_timeout_cancels(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, no_gil, scratch());
	assert_int_equal(s.got.stop, RECEIVE_GIL);
	assert_true(s.agent.cancelled && s.got.failed);
	part_deinit(&s.part);
	close(s.file);
}

static void crash_names_type(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, crashes, scratch());
	assert_true(s.got.crashed && s.got.child);
	assert_string_equal(s.got.crash_type, "bad.Type");
	assert_int_equal(s.got.crash_signal, 11);
	assert_true(s.part.state.objects > 0);
	/* A second try replaces what the first left. */
	assert_int_equal(part_begin(&s.part), 0);
	assert_int_equal(part_feed(&s.part, snapshot.data, snapshot.size), 0);
	const struct counted c = read_back(&s);
	assert_int_equal(c.objects, 200000);
	assert_int_equal(c.complete, 1);
}

static void rubbish_is_refused(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, rubbish, scratch());
	assert_int_equal(s.got.stop, RECEIVE_STREAM);
	assert_int_equal(s.part.written, 0);
	part_deinit(&s.part);
	close(s.file);
}

static void foreign_messages_are_ignored(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, wrong_nonce, scratch());
	assert_false(s.got.failed);
	assert_true(s.got.done && s.part.state.ended);
	part_deinit(&s.part);
	close(s.file);
}

/* Who checks the stream may be killed by it; whoever traces isn't. */
static void keeper_that_dies_is_told(void **state)
{
	struct stage s = fresh();

	(void)state;
	s.file = memfd_create("part", MFD_CLOEXEC);
	part_init(&s.part, s.file, true, NULL);
	assert_int_equal(part_begin(&s.part), 0);
	assert_int_equal(part_feed(&s.part, snapshot.data, 100), 0);
	kill(s.part.keeper.process, SIGKILL);
	assert_int_equal(part_feed(&s.part, snapshot.data, 100), -EOWNERDEAD);
	assert_int_equal(s.part.error, -EOWNERDEAD);
	assert_int_equal(part_begin(&s.part), -EOWNERDEAD);
	part_deinit(&s.part);
	close(s.file);
}

/* A cancel ends the wait for a disk that takes its time; so does the clock. */
static void keeper_that_hangs_is_given_up(void **state)
{
	int cancel[2];

	(void)state;
	assert_int_equal(pipe2(cancel, O_CLOEXEC), 0);
	for (int by_clock = 0; by_clock < 2; by_clock++) {
		struct stage s = fresh();

		s.file = memfd_create("part", MFD_CLOEXEC);
		part_init(&s.part, s.file, true, NULL);
		assert_int_equal(part_begin(&s.part), 0);
		s.part.keeper.patience_ns = by_clock ? 1000000 : UINT64_MAX / 2;
		s.part.keeper.cancel_fd = cancel[0];
		kill(s.part.keeper.process, SIGSTOP);
		if (!by_clock)
			assert_int_equal(write(cancel[1], "x", 1), 1);
		assert_int_equal(part_feed(&s.part, snapshot.data, 100),
				 by_clock ? -ETIMEDOUT : -ECANCELED);
		assert_int_equal(s.part.keeper.process, 0);
		part_deinit(&s.part);
		close(s.file);
		if (!by_clock) {
			char byte;

			assert_int_equal(read(cancel[0], &byte, 1), 1);
		}
	}
	close(cancel[0]);
	close(cancel[1]);
}

static void disk_full_stops_the_agent(void **state)
{
	struct stage s = fresh();

	(void)state;
	play(&s, good, open("/dev/full", O_RDWR | O_CLOEXEC));
	assert_int_equal(s.got.stop, RECEIVE_OUTPUT);
	assert_int_equal(s.part.error, -ENOSPC);
	part_deinit(&s.part);
	close(s.file);
}

static void cancel_and_timeout_end_in_time(void **state)
{
	struct stage s = fresh();
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	s.options.cancel_fd = p[0];
	uint64_t t = clock_now();
	play(&s, never_stops, scratch());
	assert_int_equal(s.got.stop, RECEIVE_CANCELLED);
	assert_true(clock_now() - t < 2000 * MS);
	part_deinit(&s.part);
	close(s.file);
	close(p[0]);
	close(p[1]);

	s = fresh();
	s.options.timeout_ns = 150 * MS;
	t = clock_now();
	play(&s, never_stops, scratch());
	assert_int_equal(s.got.stop, RECEIVE_TIMEOUT);
	assert_true(s.agent.cancelled);
	assert_true(clock_now() - t < 2000 * MS);
	part_deinit(&s.part);
	close(s.file);
}

static void memory_watch_kills_the_copy(void **state)
{
	struct stage s = fresh();
	struct headroom_watch w;

	(void)state;
	headroom_open(&w, "", getpid());
	s.options.watch = &w;
	s.options.headroom_min = UINT64_MAX;
	play(&s, never_stops, scratch());
	assert_int_equal(s.got.stop, RECEIVE_MEMORY);
	assert_true(s.agent.cancelled);
	assert_true(s.got.free_bytes > 0);
	part_deinit(&s.part);
	close(s.file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(complete_capture),
		cmocka_unit_test(truncated_stays_readable),
		cmocka_unit_test(no_hello),
		cmocka_unit_test(gil_timeout_cancels),
		cmocka_unit_test(crash_names_type),
		cmocka_unit_test(rubbish_is_refused),
		cmocka_unit_test(foreign_messages_are_ignored),
		cmocka_unit_test(keeper_that_dies_is_told),
		cmocka_unit_test(keeper_that_hangs_is_given_up),
		cmocka_unit_test(disk_full_stops_the_agent),
		cmocka_unit_test(cancel_and_timeout_end_in_time),
		cmocka_unit_test(memory_watch_kills_the_copy),
	};

	make_snapshot(200000);
	const int failed =
		cmocka_run_group_tests_name("loader_receive", tests, NULL, NULL);
	free(snapshot.data);
	return failed;
}
