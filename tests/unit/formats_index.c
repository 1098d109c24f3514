/* SPDX-License-Identifier: MIT */
/* INDEX and trailer; several processes in one file; reading from a descriptor. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "formats/core/block.h"
#include "formats/core/index.h"
#include "formats_events.h"

/* Feeds all of it in pieces of `piece` bytes. */
static struct snap_indexer *index_of(const struct bytes *b, size_t size, size_t piece)
{
	struct snap_indexer *const x = snap_indexer_create();

	assert_non_null(x);
	for (size_t at = 0; at < size; at += piece)
		assert_int_equal(snap_indexer_feed(x, b->data + at,
						   piece < size - at ? piece : size - at),
				 0);
	return x;
}

static void append_index(struct bytes *b, size_t whole, struct snap_indexer *x)
{
	void *data;
	size_t size;

	assert_int_equal(snap_indexer_finish(x, &data, &size), 0);
	b->size = whole;
	bytes_append(b, data, size);
	free(data);
	snap_indexer_destroy(x);
}

static void indexed_snapshot(struct bytes *b, uint64_t seed)
{
	random_snapshot(
		b,
		&(struct random_options){ .seed = seed, .objects = 100, .max_refs = 4 },
		NULL);
	append_index(b, b->size, index_of(b, b->size, 1000));
}

/* What is known after each byte. */
static void test_state(void **state)
{
	struct bytes b = { 0 };
	struct snap_index_state s, last = { 0 };
	struct snap_indexer *const x = snap_indexer_create();
	struct block_head head;

	(void)state;
	random_snapshot(
		&b, &(struct random_options){ .seed = 1, .objects = 100, .max_refs = 4 },
		NULL);
	for (size_t i = 0; i < b.size; i++) {
		assert_int_equal(snap_indexer_feed(x, b.data + i, 1), 0);
		snap_indexer_state(x, &s);
		assert_int_equal(s.bytes, i + 1);
		assert_false(s.bad);
		assert_int_equal(s.ended, i + 1 == b.size);
		if (s.whole != last.whole) {
			assert_int_equal(s.whole, i + 1);
			if (last.whole) {
				assert_true(block_get_head(b.data + last.whole, &head));
				assert_int_equal(s.blocks, last.blocks + 1);
				assert_int_equal(s.whole - last.whole,
						 BLOCK_HEAD_SIZE + head.frame_size);
			}
		}
		last = s;
	}
	assert_int_equal(s.whole, b.size);
	snap_indexer_destroy(x);
	bytes_free(&b);
}

/* Every length of a truncated stream, cut at `whole` and closed, is a legal file. */
static void test_truncated(void **state)
{
	struct bytes b = { 0 };

	(void)state;
	random_snapshot(
		&b, &(struct random_options){ .seed = 2, .objects = 50, .max_refs = 3 },
		NULL);
	for (size_t size = BLOCK_FILE_HEAD_SIZE; size < b.size; size += 7) {
		struct snap_indexer *const x = index_of(&b, size, 64);
		struct bytes closed = { 0 };
		struct block_trailer trailer;
		struct event_log log;
		struct snap_problem problem = { 0 };
		struct snap_parser *parser;
		struct snap_index_state s;

		snap_indexer_state(x, &s);
		bytes_append(&closed, b.data, (size_t)s.whole);
		append_index(&closed, (size_t)s.whole, x);
		assert_true(block_get_trailer(
			closed.data + closed.size - BLOCK_TRAILER_SIZE, &trailer));
		assert_int_equal(trailer.to_head, closed.size - BLOCK_TRAILER_SIZE);
		assert_int_equal(trailer.to_head - trailer.to_index, s.whole);
		event_log_init(&log, NULL);
		parser = snap_parser_create(NULL, &event_log_ops, &log);
		assert_int_equal(
			snap_parser_feed(parser, closed.data, closed.size, &problem), 0);
		assert_int_equal(snap_parser_finish(parser, &problem), 0);
		assert_int_equal(log.problem.code, SNAP_E_TRUNCATED);
		snap_parser_destroy(parser);
		event_log_free(&log);
		bytes_free(&closed);
	}
	bytes_free(&b);
}

/* Cut behind the last whole block, facts of the receiver's, INDEX: as it does. */
static void test_cut(void **state)
{
	const struct snap_fact fact = { .key = "receiver", .u64 = 7 };
	struct bytes b = { 0 }, closed = { 0 };
	struct snap_index_state s;
	struct snap_problem problem = { 0 };
	struct snap_parser *parser;
	struct snap_indexer *x;
	struct event_log log;
	char facts[1024];
	long size;

	(void)state;
	random_snapshot(&b, &(struct random_options){ .seed = 2, .objects = 50 }, NULL);
	x = index_of(&b, b.size - 5, 64);
	assert_int_equal(snap_indexer_cut(x), 0);
	snap_indexer_state(x, &s);
	assert_int_equal(s.bytes, s.whole);
	bytes_append(&closed, b.data, (size_t)s.whole);
	size = snap_facts_block(facts, sizeof(facts), &fact, 1);
	assert_true(size > 0);
	bytes_append(&closed, facts, (size_t)size);
	assert_int_equal(snap_indexer_feed(x, facts, (size_t)size), 0);
	append_index(&closed, closed.size, x);
	event_log_init(&log, NULL);
	parser = snap_parser_create(NULL, &event_log_ops, &log);
	assert_int_equal(snap_parser_feed(parser, closed.data, closed.size, &problem), 0);
	assert_int_equal(snap_parser_finish(parser, &problem), 0);
	event_log_flush(&log);
	assert_int_equal(log.problem.code, SNAP_E_TRUNCATED);
	assert_non_null(
		memmem(log.text[LOG_FACTS], log.size[LOG_FACTS], "receiver 0 7\n", 13));
	snap_parser_destroy(parser);
	event_log_free(&log);
	bytes_free(&closed);
	bytes_free(&b);
	x = snap_indexer_create();
	assert_true(snap_indexer_cut(x) < 0); /* not even a file header */
	snap_indexer_destroy(x);
}

static void test_bad(void **state)
{
	struct bytes b = { 0 };
	struct snap_index_state s;
	struct snap_indexer *x;

	(void)state;
	random_snapshot(&b, &(struct random_options){ .seed = 2, .objects = 50 }, NULL);
	b.data[BLOCK_FILE_HEAD_SIZE + 20] ^= 1;
	x = index_of(&b, b.size, 100);
	snap_indexer_state(x, &s);
	assert_true(s.bad);
	assert_false(s.ended);
	assert_int_equal(s.whole, BLOCK_FILE_HEAD_SIZE);
	assert_int_equal(s.bytes, b.size);
	snap_indexer_destroy(x);
	bytes_free(&b);
}

/* ---- several processes ---- */

struct two {
	struct event_log logs[3];
	uint32_t begun;
};

static struct snap_sink *two_begin(void *arg, uint32_t ordinal)
{
	struct two *const two = arg;

	assert_int_equal(ordinal, two->begun);
	assert_true(ordinal < 3);
	event_log_init(&two->logs[two->begun++], NULL);
	return &two->logs[ordinal].sink;
}

static int two_finish(void *arg, uint32_t ordinal, int complete,
		      const struct snap_problem *problem)
{
	struct two *const two = arg;

	two->logs[ordinal].finished++;
	two->logs[ordinal].complete = complete;
	if (problem)
		two->logs[ordinal].problem = *problem;
	return 0;
}

static const struct snap_parser_ops two_ops = { two_begin, two_finish };

/* Three processes, the second one cut off: the third is not touched by that. */
static void concatenate(size_t cut)
{
	struct bytes all = { 0 }, one = { 0 };
	struct two two = { 0 };
	struct snap_problem problem = { 0 };
	struct snap_parser *const p = snap_parser_create(NULL, &two_ops, &two);

	indexed_snapshot(&all, 1);
	random_snapshot(&one, &(struct random_options){ .seed = 2, .objects = 100 },
			NULL);
	bytes_append(&all, one.data, one.size - cut);
	bytes_free(&one);
	indexed_snapshot(&one, 3);
	bytes_append(&all, one.data, one.size);
	assert_int_equal(snap_parser_feed(p, all.data, all.size, &problem), 0);
	assert_int_equal(snap_parser_finish(p, &problem), 0);
	assert_int_equal(two.begun, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(two.logs[i].finished, 1);
		assert_int_equal(two.logs[i].complete, i != 1);
		assert_int_equal(two.logs[i].problem.code == SNAP_OK, i != 1);
		event_log_free(&two.logs[i]);
	}
	snap_parser_destroy(p);
	bytes_free(&all);
	bytes_free(&one);
}

/* Inside of a header, of a frame, between blocks. */
static void test_concatenated(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 300; cut += 7)
		concatenate(cut);
}

static void test_read_fd(void **state)
{
	struct bytes b = { 0 };
	struct event_log log;
	struct snap_problem problem = { 0 };
	const int fd = memfd_create("snapshot", 0);

	(void)state;
	indexed_snapshot(&b, 4);
	assert_int_equal(write(fd, b.data, b.size), (ssize_t)b.size);
	lseek(fd, 0, SEEK_SET);
	event_log_init(&log, NULL);
	assert_int_equal(snap_read_fd(fd, NULL, &event_log_ops, &log, &problem), 0);
	assert_true(log.complete);
	event_log_free(&log);
	close(fd);
	event_log_init(&log, NULL);
	assert_int_equal(snap_read_fd(fd, NULL, &event_log_ops, &log, &problem), -1);
	assert_int_equal(problem.code, SNAP_E_IO);
	assert_int_equal(problem.sys, EBADF);
	event_log_free(&log);
	bytes_free(&b);
}

/* The consumer's value comes back, and nothing is called any more. */
static int refuse(struct snap_sink *sink, const struct snap_object *o)
{
	(void)sink;
	(void)o;
	return -EXDEV;
}

static void test_consumer_stops(void **state)
{
	static const struct snap_sink_ops ops = { .object = refuse };
	struct bytes b = { 0 };
	struct event_log log;
	struct snap_problem problem = { 0 };
	struct snap_parser *p;

	(void)state;
	indexed_snapshot(&b, 4);
	event_log_init(&log, NULL);
	log.sink.ops = &ops;
	p = snap_parser_create(NULL, &event_log_ops, &log);
	assert_int_equal(snap_parser_feed(p, b.data, b.size, &problem), -1);
	assert_int_equal(problem.code, SNAP_E_SINK);
	assert_int_equal(problem.sys, -EXDEV);
	assert_int_equal(log.finished, 0);
	assert_int_equal(snap_parser_feed(p, b.data, b.size, &problem), -1);
	snap_parser_destroy(p);
	event_log_free(&log);
	bytes_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_concatenated),
		cmocka_unit_test(test_read_fd),
		cmocka_unit_test(test_consumer_stops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
