/* SPDX-License-Identifier: MIT */
/* The writer's refusals, limits and errors; facts without a writer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "formats/core/block.h"
#include "formats_events.h"

struct fixture {
	struct bytes out;
	void *memory;
	struct snap_writer *writer;
	struct snap_sink *sink;
};

static int failing_after; /* writes that succeed before write_or_fail fails */

static int write_or_fail(void *arg, const void *data, size_t size)
{
	if (failing_after-- <= 0)
		return -ENOSPC;
	return bytes_append(arg, data, size);
}

static void begin(struct fixture *f)
{
	const size_t size = (snap_writer_memory() + 63) & ~(size_t)63;
	int err = 0;

	*f = (struct fixture){ .memory = aligned_alloc(64, size) };
	assert_non_null(f->memory);
	memset(f->memory, 0xa5, size); /* need not be zeroed */
	f->writer = snap_writer_init(f->memory, size, write_or_fail, &f->out, &err);
	assert_non_null(f->writer);
	f->sink = snap_writer_sink(f->writer);
}

static void finish(struct fixture *f)
{
	free(f->memory);
	bytes_free(&f->out);
}

#define SEND(f, event, ...) ((f)->sink->ops->event((f)->sink, ##__VA_ARGS__))

static void test_memory(void **state)
{
	int err = 0;
	uint8_t *const memory =
		aligned_alloc(64, (snap_writer_memory() + 127) & ~(size_t)63);
	struct bytes out = { 0 };

	(void)state;
	assert_non_null(memory);
	assert_true(snap_writer_memory() < 16 << 20);
	assert_null(snap_writer_init(memory, snap_writer_memory() - 1, bytes_append, &out,
				     &err));
	assert_int_equal(err, -EINVAL);
	assert_null(snap_writer_init(memory + 8, snap_writer_memory(), bytes_append, &out,
				     &err));
	assert_int_equal(err, -EINVAL);
	failing_after = 0;
	assert_null(snap_writer_init(memory, snap_writer_memory(), write_or_fail, &out,
				     &err));
	assert_int_equal(err, -ENOSPC);
	free(memory);
	bytes_free(&out);
}

static void test_ids(void **state)
{
	struct fixture f;
	struct snap_label label = { SNAP_LABEL_ATTR, 9 };

	(void)state;
	failing_after = 1000;
	begin(&f);
	assert_int_equal(SEND(&f, string, 2, "x", 1), -EINVAL);
	assert_int_equal(SEND(&f, type, &(struct snap_type){ .id = 1, .name = 1 }),
			 -EINVAL);
	assert_int_equal(SEND(&f, type, &(struct snap_type){ .id = 2 }), -EINVAL);
	assert_int_equal(SEND(&f, object, &(struct snap_object){ .type = 1 }), -EINVAL);
	assert_int_equal(SEND(&f, type, &(struct snap_type){ .id = 1 }), 0);
	assert_int_equal(SEND(&f, object, &(struct snap_object){ .type = 0 }), -EINVAL);
	assert_int_equal(SEND(&f, object, &(struct snap_object){ .type = 1, .shape = 1 }),
			 -EINVAL);
	assert_int_equal(
		SEND(&f, shape,
		     &(struct snap_shape){ .id = 1, .nfixed = 1, .fixed = &label }),
		-EINVAL);
	assert_int_equal(
		SEND(&f, shape, &(struct snap_shape){ .id = 1, .nfixed = 1u << 20 }),
		-E2BIG);
	assert_int_equal(SEND(&f, root, &(struct snap_root){ .frame = 1 }), -EINVAL);
	assert_int_equal(SEND(&f, frame, &(struct snap_frame){ .id = 1, .thread = 1 }),
			 -EINVAL);
	assert_int_equal(SEND(&f, error, &(struct snap_error){ .text = 1 }), -EINVAL);
	assert_int_equal(SEND(&f, end), 0);
	assert_int_equal(SEND(&f, end), -EINVAL);
	assert_int_equal(SEND(&f, string, 1, "x", 1), -EINVAL);
	finish(&f);
}

static void test_values(void **state)
{
	struct fixture f;
	struct snap_value value = {
		.addr = 16, .kind = SNAP_VALUE_STR, .size = 1, .text = "x"
	};
	struct snap_object object = { .addr = 24, .type = 1 };

	(void)state;
	failing_after = 1000;
	begin(&f);
	assert_int_equal(SEND(&f, type, &(struct snap_type){ .id = 1 }), 0);
	assert_int_equal(SEND(&f, value, &value), -EINVAL); /* of no object */
	assert_int_equal(SEND(&f, object, &(struct snap_object){ .addr = 8, .type = 1 }),
			 0);
	assert_int_equal(SEND(&f, value, &value), -EINVAL); /* of another one */
	value.addr = 8;
	value.size = SNAP_TEXT_MAX + 1;
	assert_int_equal(SEND(&f, value, &value), -E2BIG);
	value.size = 1;
	value.kind = 0;
	assert_int_equal(SEND(&f, value, &value), -EINVAL);
	value.kind = SNAP_VALUE_STR;
	assert_int_equal(SEND(&f, value, &value), 0);
	assert_int_equal(SEND(&f, value, &value), -EINVAL); /* a second one */
	assert_int_equal(SEND(&f, whole, &object, NULL), 0);
	value.addr = 24;
	assert_int_equal(SEND(&f, value, &value), -EINVAL); /* it was whole */
	value.kind = 0;
	assert_int_equal(SEND(&f, whole, &object, &value), -EINVAL);
	value = (struct snap_value){ .addr = 24, .kind = 1, .size = SNAP_TEXT_MAX + 1 };
	assert_int_equal(SEND(&f, whole, &object, &value), -E2BIG);
	value.size = 0;
	object.type = 2;
	assert_int_equal(SEND(&f, whole, &object, &value), -EINVAL); /* no such type */
	object.type = 1;
	assert_int_equal(SEND(&f, whole, &object, &value), 0);
	finish(&f);
}

/* Whenever writing fails, the error comes out of an event, and out of every later one. */
static void test_write_errors(void **state)
{
	const struct random_options options = { .seed = 4,
						.objects = 2000,
						.max_refs = 4 };
	struct fixture f;
	int result = -1, writes = 1;

	(void)state;
	for (; result != 0; writes++) {
		failing_after = writes;
		begin(&f);
		result = random_events(f.sink, &options);
		if (result != 0) {
			assert_int_equal(result, -ENOSPC);
			assert_int_equal(SEND(&f, end), -ENOSPC);
			assert_int_equal(snap_writer_flush(f.writer), -ENOSPC);
		}
		finish(&f);
	}
	assert_true(writes > 10);
}

/* A reader that gets all that was written up to a flush sees all that was sent. */
static void test_flush(void **state)
{
	struct fixture f;
	struct event_log log;
	struct snap_problem problem;
	struct snap_parser *parser;

	(void)state;
	failing_after = 1000;
	begin(&f);
	assert_int_equal(SEND(&f, string, 1, "builtins.object", 15), 0);
	assert_int_equal(SEND(&f, type, &(struct snap_type){ .id = 1, .name = 1 }), 0);
	for (uint64_t i = 1; i <= 10; i++)
		assert_int_equal(SEND(&f, object,
				      &(struct snap_object){ .addr = i << 4, .type = 1 }),
				 0);
	assert_int_equal(f.out.size, BLOCK_FILE_HEAD_SIZE);
	assert_int_equal(snap_writer_flush(f.writer), 0);
	event_log_init(&log, NULL);
	parser = snap_parser_create(NULL, &event_log_ops, &log);
	assert_int_equal(snap_parser_feed(parser, f.out.data, f.out.size, &problem), 0);
	assert_int_equal(log.objects, 10);
	snap_parser_destroy(parser);
	event_log_free(&log);
	finish(&f);
}

static void test_totals(void **state)
{
	struct fixture f;
	struct snap_writer_totals totals;
	const uint64_t refs[] = { 16, 0, 32 };

	(void)state;
	failing_after = 1000;
	begin(&f);
	assert_int_equal(SEND(&f, type, &(struct snap_type){ .id = 1 }), 0);
	assert_int_equal(SEND(&f, object,
			      &(struct snap_object){ .addr = 16,
						     .type = 1,
						     .size = 100,
						     .nrefs = 3,
						     .refs = refs }),
			 0);
	assert_int_equal(SEND(&f, end), 0);
	snap_writer_totals(f.writer, &totals);
	assert_int_equal(totals.objects, 1);
	assert_int_equal(totals.edges, 2);
	assert_int_equal(totals.object_bytes, 100);
	assert_int_equal(totals.bytes_out, f.out.size);
	finish(&f);
}

/* Texts beyond the limit are cut, before a UTF-8 sequence and not inside. */
static void test_long_text(void **state)
{
	char *const text = malloc(SNAP_TEXT_MAX + 10);
	struct fixture f;
	struct event_log log;
	struct snap_problem problem;
	struct snap_parser *parser;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', SNAP_TEXT_MAX + 10);
	memcpy(text + SNAP_TEXT_MAX - 2, "\xe2\x82\xac", 3);
	failing_after = 1000;
	begin(&f);
	assert_int_equal(SEND(&f, string, 1, text, SNAP_TEXT_MAX + 10), 0);
	assert_int_equal(SEND(&f, fact,
			      &(struct snap_fact){ .key = "k",
						   .kind = SNAP_FACT_TEXT,
						   .text = text,
						   .size = SNAP_TEXT_MAX + 10 }),
			 0);
	for (uint32_t i = 2; i < 20; i++)
		assert_int_equal(SEND(&f, string, i, text, SNAP_TEXT_MAX), 0);
	assert_int_equal(SEND(&f, end), 0);
	event_log_init(&log, NULL);
	parser = snap_parser_create(&(struct snap_parser_options){ .strict = 1 },
				    &event_log_ops, &log);
	assert_int_equal(snap_parser_feed(parser, f.out.data, f.out.size, &problem), 0);
	assert_int_equal(snap_parser_finish(parser, &problem), 0);
	event_log_flush(&log);
	assert_memory_equal(log.text[LOG_STRINGS], "1 65534:xxx", 11);
	assert_memory_equal(log.text[LOG_FACTS], "k 1 0 65534:xxx", 15);
	snap_parser_destroy(parser);
	event_log_free(&log);
	finish(&f);
	free(text);
}

static void read_facts(const struct bytes *bytes, struct event_log *log)
{
	struct snap_problem problem = { 0 };
	struct snap_parser *const parser = snap_parser_create(
		&(struct snap_parser_options){ .strict = 1 }, &event_log_ops, log);

	event_log_init(log, NULL);
	assert_int_equal(snap_parser_feed(parser, bytes->data, bytes->size, &problem), 0);
	assert_int_equal(snap_parser_finish(parser, &problem), 0);
	event_log_flush(log);
	snap_parser_destroy(parser);
}

/* The log's other texts may have NULs in them. */
static bool has_fact(const struct event_log *log, const char *line)
{
	return memmem(log->text[LOG_FACTS], log->size[LOG_FACTS], line, strlen(line));
}

/* Facts appended after END; more than one block of them; too little room. */
static void test_facts_block(void **state)
{
	static char buf[600000], text[SNAP_TEXT_MAX];
	struct snap_fact facts[100];
	char keys[100][8];
	struct bytes bytes = { 0 };
	struct event_log log;
	long size;

	(void)state;
	memset(text, 'y', sizeof(text));
	for (int i = 0; i < 100; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key.%d", i);
		facts[i] = (struct snap_fact){ .key = keys[i],
					       .kind = (uint8_t)(i & 1),
					       .u64 = (uint64_t)i << 40,
					       .text = text,
					       .size = i == 51 || i == 53 ? sizeof(text) :
									    5 };
	}
	size = snap_facts_block(buf, sizeof(buf), facts, 100);
	assert_true(size > 0);
	random_snapshot(&bytes, &(struct random_options){ .seed = 1, .objects = 5 },
			NULL);
	bytes_append(&bytes, buf, (size_t)size);
	read_facts(&bytes, &log);
	assert_true(log.complete);
	assert_true(has_fact(&log, "key.98 0 107752139522048\n"));
	assert_true(has_fact(&log, "key.53 1 0 65536:yyyy"));
	assert_true(has_fact(&log, "key.99 1 0 5:yyyyy\n"));
	event_log_free(&log);
	bytes_free(&bytes);
	/* The size that writer.h promises is enough for, and one far too small. */
	assert_true(snap_facts_block(buf, 512 + 3 * (80 + 5 + 5), facts, 3) > 0);
	for (size_t capacity = 0; capacity < 100; capacity++)
		assert_int_equal(snap_facts_block(buf, capacity, facts, 3), -ENOSPC);
	facts[1].size = SNAP_TEXT_MAX + 1;
	assert_int_equal(snap_facts_block(buf, sizeof(buf), facts, 3), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),	  cmocka_unit_test(test_ids),
		cmocka_unit_test(test_values),	  cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_flush),	  cmocka_unit_test(test_totals),
		cmocka_unit_test(test_long_text), cmocka_unit_test(test_facts_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
