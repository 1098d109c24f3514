/* SPDX-License-Identifier: MIT */
/* Whatever goes into the writer comes out of the reader. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "formats/core/pack.h"
#include "formats_events.h"

/* Reads all of it, fed in pieces of at most `piece` bytes (0 = at once), strictly. */
static void read_back(const struct bytes *in, size_t piece, struct event_log *log)
{
	const struct snap_parser_options options = { .strict = 1 };
	struct snap_problem problem = { 0 };
	struct snap_parser *parser;

	event_log_init(log, NULL);
	parser = snap_parser_create(&options, &event_log_ops, log);
	assert_non_null(parser);
	for (size_t at = 0; at < in->size;) {
		const size_t n = piece && piece < in->size - at ? piece : in->size - at;

		if (snap_parser_feed(parser, in->data + at, n, &problem) != 0)
			fail_msg("feed: %s", problem.text);
		at += n;
	}
	if (snap_parser_finish(parser, &problem) != 0)
		fail_msg("finish: %s", problem.text);
	snap_parser_destroy(parser);
	assert_int_equal(log->finished, 1);
	assert_true(log->complete);
	assert_int_equal(log->problem.code, SNAP_OK);
}

static void check(const struct random_options *options, size_t piece)
{
	struct bytes bytes = { 0 };
	struct event_log sent, got;

	random_snapshot(&bytes, options, &sent);
	read_back(&bytes, piece, &got);
	event_logs_equal(&sent, &got);
	event_log_free(&sent);
	event_log_free(&got);
	bytes_free(&bytes);
}

static void test_random(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 60; seed++)
		check(
			&(struct random_options){
				.seed = seed,
				.objects = (uint32_t)(seed * seed),
				.max_refs = 12,
				.no_values = seed % 5 == 0,
			},
			seed % 3 ? 0 : 1 + seed * 7);
}

/* More than one block of everything. */
static void test_many_blocks(void **state)
{
	(void)state;
	check(&(struct random_options){ .seed = 1,
					.objects = 3 * PACK_OBJECTS + 5,
					.max_refs = 6 },
	      100000);
}

/* References that fit in with an object, and that fill one, two and more blocks. */
static void test_long_objects(void **state)
{
	static const uint32_t counts[] = {
		PACK_REFS_MAX - 1, PACK_REFS_MAX,	  PACK_REFS_MAX + 1,
		2 * PACK_REFS_MAX, 2 * PACK_REFS_MAX + 1, 300000,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		for (int no_values = 0; no_values < 2; no_values++)
			check(&(struct random_options){ .seed = i + 1,
							.objects = 50,
							.max_refs = 20,
							.long_refs = counts[i],
							.no_values = no_values },
			      0);
}

/* A sink that wants no values gets the same objects. */
static void test_without_values(void **state)
{
	struct bytes bytes = { 0 };
	struct event_log sent, got;
	struct snap_sink_ops ops;
	struct snap_problem problem = { 0 };
	struct snap_parser *parser;

	(void)state;
	random_snapshot(
		&bytes,
		&(struct random_options){
			.seed = 3, .objects = 500, .max_refs = 5, .long_refs = 200000 },
		&sent);
	event_log_init(&got, NULL);
	ops = *got.sink.ops;
	ops.value = NULL;
	got.sink.ops = &ops;
	parser = snap_parser_create(&(struct snap_parser_options){ .strict = 1 },
				    &event_log_ops, &got);
	assert_int_equal(snap_parser_feed(parser, bytes.data, bytes.size, &problem), 0);
	assert_int_equal(snap_parser_finish(parser, &problem), 0);
	assert_int_equal(got.objects, sent.objects);
	assert_int_equal(got.values, 0);
	assert_true(got.complete);
	snap_parser_destroy(parser);
	event_log_free(&sent);
	event_log_free(&got);
	bytes_free(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_many_blocks),
		cmocka_unit_test(test_long_objects),
		cmocka_unit_test(test_without_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
