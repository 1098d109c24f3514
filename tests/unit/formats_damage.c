/* SPDX-License-Identifier: MIT */
/*
 * Damaged input: every truncation, every flipped bit, forged blocks.  The input lies
 * before a page that must not be touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>
#include <zstd.h>

#include "formats/core/block.h"
#include "formats/core/bytes.h"
#include "formats/core/crc32c.h"
#include "formats/core/schema.h"
#include "formats/core/packed.h"
#include "formats_events.h"

static const struct random_options small = { .seed = 7, .objects = 40, .max_refs = 5 };

/* A copy of bytes that ends at unreadable memory. */
struct guarded {
	uint8_t *map, *data;
	size_t map_size, size;
};

static struct guarded guarded_copy(const void *data, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t room = (size + page - 1) / page * page;
	uint8_t *const map = mmap(NULL, room + page, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map + room, page, PROT_NONE), 0);
	memcpy(map + room - size, data, size);
	return (struct guarded){ map, map + room - size, room + page, size };
}

static void guarded_free(struct guarded *g)
{
	munmap(g->map, g->map_size);
}

/* What came of reading: the log, and what the parser itself returned. */
struct outcome {
	struct event_log log;
	int result;
	struct snap_problem problem; /* of the return value, else the one of finish */
};

static void read_all(const void *data, size_t size, int strict, struct outcome *ret)
{
	const struct snap_parser_options options = { .strict = strict };
	struct snap_parser *parser;

	event_log_init(&ret->log, NULL);
	ret->problem = (struct snap_problem){ 0 };
	parser = snap_parser_create(&options, &event_log_ops, &ret->log);
	assert_non_null(parser);
	ret->result = snap_parser_feed(parser, data, size, &ret->problem);
	if (ret->result == 0)
		ret->result = snap_parser_finish(parser, &ret->problem);
	if (ret->result == 0)
		ret->problem = ret->log.problem;
	snap_parser_destroy(parser);
}

/* Whether what was read is the beginning of what was sent, kind by kind. */
static void is_prefix(struct event_log *got, struct event_log *sent)
{
	event_log_flush(got);
	event_log_flush(sent);
	for (int i = 0; i < LOG_KINDS; i++) {
		assert_true(got->size[i] <= sent->size[i]);
		assert_memory_equal(got->text[i], sent->text[i], got->size[i]);
	}
}

/* What is read of a beginning is the beginning of what was sent. */
static void check_truncations(const struct random_options *options)
{
	struct bytes bytes = { 0 };
	struct event_log sent;

	random_snapshot(&bytes, options, &sent);
	for (size_t size = 0; size < bytes.size; size++) {
		struct guarded g = guarded_copy(bytes.data, size);
		struct outcome outcome;

		read_all(g.data, size, 0, &outcome);
		if (size >= BLOCK_FILE_HEAD_SIZE) {
			assert_int_equal(outcome.result, 0);
			assert_int_equal(outcome.log.finished, 1);
			assert_false(outcome.log.complete);
		} else {
			assert_int_equal(outcome.result, -1);
		}
		if (size >= 8)
			assert_int_equal(outcome.problem.code, SNAP_E_TRUNCATED);
		is_prefix(&outcome.log, &sent);
		event_log_free(&outcome.log);
		read_all(g.data, size, 1, &outcome);
		assert_int_equal(outcome.result, -1);
		event_log_free(&outcome.log);
		guarded_free(&g);
	}
	event_log_free(&sent);
	bytes_free(&bytes);
}

static void test_every_truncation(void **state)
{
	struct random_options options = small;

	(void)state;
	check_truncations(&options);
	options.no_values = 1;
	check_truncations(&options);
}

/* The number of the block that byte `at` lies in, 0 = file header. */
static unsigned block_at(const struct bytes *b, size_t at)
{
	size_t begin = BLOCK_FILE_HEAD_SIZE;
	struct block_head head;
	unsigned number = 0;

	while (at >= begin && begin < b->size) {
		assert_true(block_get_head(b->data + begin, &head));
		begin += BLOCK_HEAD_SIZE + head.frame_size;
		number++;
	}
	return number;
}

/* Every single bit of the file is covered by a magic or a checksum: each flip is noticed,
 * and the message names the block it is in. */
static void check_flip(const struct bytes *b, size_t bit, uint8_t *data)
{
	const unsigned number = block_at(b, bit / 8);
	struct outcome outcome;
	char name[32];

	data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	read_all(data, b->size, 0, &outcome);
	assert_int_not_equal(outcome.problem.code, SNAP_OK);
	snprintf(name, sizeof(name), "block %u ", number);
	if (outcome.problem.code == SNAP_E_MAGIC)
		assert_true(bit / 8 < 18);
	else if (number == 0)
		assert_non_null(strstr(outcome.problem.text, "file header"));
	else if (!strstr(outcome.problem.text, name))
		fail_msg("bit %zu is in %s: %s", bit, name, outcome.problem.text);
	event_log_free(&outcome.log);
	data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void test_every_flip(void **state)
{
	struct bytes bytes = { 0 };
	struct guarded g;

	(void)state;
	random_snapshot(
		&bytes,
		&(struct random_options){ .seed = 9, .objects = 6, .max_refs = 3 }, NULL);
	g = guarded_copy(bytes.data, bytes.size);
	for (size_t bit = 0; bit < bytes.size * 8; bit++)
		check_flip(&bytes, bit, g.data);
	guarded_free(&g);
	bytes_free(&bytes);
}

/* Gives every block a right CRC again, so that damage gets past the checks of framing. */
static void repair(uint8_t *data, size_t size)
{
	size_t at = BLOCK_FILE_HEAD_SIZE;
	struct block_head head;

	while (at + BLOCK_HEAD_SIZE <= size && block_get_head(data + at, &head)) {
		if (head.frame_size > size - at - BLOCK_HEAD_SIZE)
			return;
		head.frame_crc = crc32c(0, data + at + BLOCK_HEAD_SIZE, head.frame_size);
		block_put_head(data + at, &head);
		at += BLOCK_HEAD_SIZE + head.frame_size;
	}
}

/* ---- forging: blocks with any content ---- */

struct forge {
	struct bytes out;
	uint32_t sequence;
};

static void forge_begin(struct forge *f, const struct block_file_head *head)
{
	static const struct block_file_head ordinary = { .major = BLOCK_MAJOR };
	uint8_t buf[BLOCK_FILE_HEAD_SIZE];

	*f = (struct forge){ 0 };
	block_put_file_head(buf, head ? head : &ordinary);
	bytes_append(&f->out, buf, sizeof(buf));
}

/* Appends a block with the given content: sizes of columns, columns. */
static void forge_raw(struct forge *f, struct block_head head, const void *raw,
		      size_t size)
{
	uint8_t frame[4096], buf[BLOCK_HEAD_SIZE];

	head.raw_size = head.raw_size ? head.raw_size : (uint32_t)size;
	head.frame_size = (uint32_t)block_store(frame, raw, size);
	head.frame_crc = crc32c(0, frame, head.frame_size);
	head.sequence = ++f->sequence;
	block_put_head(buf, &head);
	bytes_append(&f->out, buf, sizeof(buf));
	bytes_append(&f->out, frame, head.frame_size);
}

/* One row of varints: -1 ends the columns, -2 is an empty one, -3 one byte of 0. */
static void forge_row(struct forge *f, struct block_head head, const int64_t *cells)
{
	uint8_t raw[1024], *p;
	unsigned n = 0;

	while (cells[n] != -1)
		n++;
	p = raw + 4 * (size_t)n;
	for (unsigned i = 0; i < n; i++) {
		uint8_t *const start = p;

		if (cells[i] == -3)
			*p++ = 0;
		else if (cells[i] != -2)
			p = bytes_put_varint(p, (uint64_t)cells[i]);
		bytes_put_u32(raw + 4 * (size_t)i, (uint32_t)(p - start));
	}
	head.columns = (uint16_t)n;
	head.count = head.count ? head.count : 1;
	forge_raw(f, head, raw, (size_t)(p - raw));
}

#define ROW(...) ((const int64_t[]){ __VA_ARGS__, -1 })
#define HEAD(t, ...) ((struct block_head){ .type = BLOCK_##t, __VA_ARGS__ })

/* What reading it says; text must occur in the problem. */
static void forge_expect(struct forge *f, enum snap_error_code code, const char *text)
{
	struct outcome outcome;

	for (int strict = 0; strict < 2; strict++) {
		read_all(f->out.data, f->out.size, strict, &outcome);
		if (outcome.problem.code != code || !strstr(outcome.problem.text, text))
			fail_msg("got %d \"%s\", expected %d \"%s\"",
				 outcome.problem.code, outcome.problem.text, code, text);
		event_log_free(&outcome.log);
	}
	bytes_free(&f->out);
}

static void forge_types(struct forge *f)
{
	forge_begin(f, NULL);
	forge_row(f, HEAD(TYPES), ROW(0, 0, 0, 0, 0, 0));
}

static void test_versions(void **state)
{
	struct forge f;

	(void)state;
	forge_begin(&f, &(struct block_file_head){ .major = 2 });
	forge_expect(&f, SNAP_E_VERSION, "version 2.0");
	forge_begin(&f, &(struct block_file_head){ .major = 1, .incompat = 1u << 5 });
	forge_expect(&f, SNAP_E_VERSION, "feature bit 5");
	/* Unknown compatible features and minor versions are no problem. */
	forge_begin(&f,
		    &(struct block_file_head){ .major = 1, .minor = 9, .compat = ~0ull });
	forge_expect(&f, SNAP_E_TRUNCATED, "END is missing");
}

static void test_unknown_blocks(void **state)
{
	struct forge f;

	(void)state;
	forge_begin(&f, NULL);
	forge_row(&f, (struct block_head){ .type = 99 }, ROW(1, 2));
	forge_expect(&f, SNAP_E_TRUNCATED, "END is missing"); /* passed over */
	forge_begin(&f, NULL);
	forge_row(&f, (struct block_head){ .type = 99, .flags = BLOCK_CRITICAL }, ROW(1));
	forge_expect(&f, SNAP_E_VERSION, "type 99");
	forge_begin(&f, NULL);
	forge_row(&f, HEAD(TYPES, .flags = 0x40), ROW(0, 0, 0, 0, 0, 0));
	forge_expect(&f, SNAP_E_VERSION, "flag bit 6");
	forge_begin(&f, NULL); /* more columns than known: a later minor version */
	forge_row(&f, HEAD(TYPES), ROW(0, 0, 0, 0, 0, 0, 77, 78));
	forge_expect(&f, SNAP_E_TRUNCATED, "END is missing");
}

static void test_ids(void **state)
{
	struct forge f;

	(void)state;
	forge_begin(&f, NULL);
	forge_row(&f, HEAD(TYPES), ROW(2, 0, 0, 0, 0, 0)); /* name: string 1 */
	forge_expect(&f, SNAP_E_CORRUPT, "id 1 of STRINGS is used, not defined");
	forge_types(&f);
	forge_row(&f, HEAD(TYPES, .first = 3), ROW(0, 0, 0, 0, 0, 0));
	forge_expect(&f, SNAP_E_CORRUPT, "begins at row 3 instead of 1");
	forge_types(&f);
	forge_row(&f, HEAD(TYPES), ROW(0, 0, 0, 0, 0, 0));
	forge_expect(&f, SNAP_E_CORRUPT, "begins at row 0 instead of 1");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 2, 0, 0, 0, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "id 2 of TYPES");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 1, 5, 0, 0, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "id 4 of SHAPES");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 0, 0, 0, 0, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "no type");
}

#define PACKED_ROW(type, shape, nrefs, ref) \
	ROW(17, 0, type, shape, 40, 1, 0, nrefs, -3, 0, 0, ref, -2, -2)

/* The blocks of objects from version 1.2 on. */
static void test_packed(void **state)
{
	struct forge f;

	(void)state;
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), PACKED_ROW(2, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "id 2 of TYPES");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), PACKED_ROW(1, 4, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "id 4 of SHAPES");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), PACKED_ROW(0, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "no type");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), PACKED_ROW(1, 0, 2, 9));
	forge_expect(&f, SNAP_E_CORRUPT, "more references than the block holds");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), PACKED_ROW(1, 0, 0, 9));
	forge_expect(&f, SNAP_E_CORRUPT, "longer than its rows");
	forge_types(&f); /* the slot has led nowhere yet */
	forge_row(&f, HEAD(PACKED), PACKED_ROW(1, 0, 1, PACKED_LAST));
	forge_expect(&f, SNAP_E_CORRUPT, "are no addresses");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED, .count = 2), PACKED_ROW(1, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "the addresses end early");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), ROW(17, 1, 1, 0, 40, 1, 0, 0, 0, 0, 0, -2, -2, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "an object has no head");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), ROW(17, 0, 1, 0, 40, 1, 0, 0, -3, 0, 3, -2, -2, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "an object without a value");
	forge_types(&f); /* kind: a byte of 3, for the varint 1 */
	forge_row(&f, HEAD(PACKED), ROW(17, 0, 1, 0, 40, 1, 0, 0, 1, 0, 3, -2, -2, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "a column of its values ends early");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED), PACKED_ROW(1, 0, INT64_MAX, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "too large");
}

static void test_packed_refs(void **state)
{
	struct forge f;

	(void)state;
	forge_types(&f); /* 2 references, 1 here */
	forge_row(&f, HEAD(PACKED_REFS), ROW(9));
	forge_row(&f, HEAD(PACKED, .flags = BLOCK_CONTINUED), PACKED_ROW(1, 0, 2, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "references of its object are missing");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED_REFS, .first = 7), ROW(9));
	forge_expect(&f, SNAP_E_CORRUPT, "references before its own are missing");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED_REFS), ROW(9));
	forge_row(&f, HEAD(PACKED_REFS, .first = 1), ROW(9));
	forge_row(&f, HEAD(PACKED, .flags = BLOCK_CONTINUED), PACKED_ROW(1, 0, 1, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "the references before it are not its");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED_REFS, .count = 3), ROW(9));
	forge_expect(&f, SNAP_E_CORRUPT, "more references than it has bytes");
	forge_types(&f);
	forge_row(&f, HEAD(PACKED, .flags = BLOCK_CONTINUED, .count = 2),
		  PACKED_ROW(1, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "must hold one object");
}

static void test_columns(void **state)
{
	struct forge f;

	(void)state;
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 1, 0, 0, 0, 0, 0)); /* one too few */
	forge_expect(&f, SNAP_E_CORRUPT, "do not add up");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 1, 0, 0, -2, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "ends early");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 1, 0, 0, 0, 0, 0, 3));
	forge_expect(&f, SNAP_E_CORRUPT, "longer than its rows");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 1, 0, 0, 0, 0, 200, 3));
	forge_expect(&f, SNAP_E_CORRUPT, "more references than the block holds");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS, .count = 1000000), ROW(17, 1, 0, 0, 0, 0, 0, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "ends early");
	forge_begin(&f, NULL);
	forge_row(&f, HEAD(TYPES), ROW(0, 0, INT64_MAX, 0, 0, 0)); /* flags: 32 bits */
	forge_expect(&f, SNAP_E_CORRUPT, "too large");
	forge_begin(&f, NULL);
	forge_raw(&f, HEAD(TYPES, .columns = 6, .count = 1), "\xff\xff\xff\xff", 4);
	forge_expect(&f, SNAP_E_CORRUPT, "do not add up");
}

static void test_continuation(void **state)
{
	struct forge f;

	(void)state;
	forge_types(&f);
	forge_row(&f, HEAD(REFS), ROW(3));
	forge_expect(&f, SNAP_E_CORRUPT, "references of no object");
	forge_types(&f);
	forge_row(&f, HEAD(VALUES), ROW(0, 1, 0, 0, -2, -2));
	forge_expect(&f, SNAP_E_CORRUPT, "values of no objects");
	forge_types(&f); /* 2 references, 1 here, then END */
	forge_row(&f, HEAD(OBJECTS, .flags = BLOCK_CONTINUED),
		  ROW(17, 1, 0, 0, 0, 0, 4, 3));
	forge_row(&f, HEAD(END), ROW(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2));
	forge_expect(&f, SNAP_E_CORRUPT,
		     "references of the object before it are missing");
	forge_types(&f); /* more references than announced */
	forge_row(&f, HEAD(OBJECTS, .flags = BLOCK_CONTINUED),
		  ROW(17, 1, 0, 0, 0, 0, 2, 3));
	forge_row(&f, HEAD(REFS), ROW(3));
	forge_expect(&f, SNAP_E_CORRUPT, "more references than its object has");
}

static void test_limits(void **state)
{
	const struct snap_parser_options options = { .max_block = 100,
						     .max_objects = 1,
						     .strict = 1 };
	struct snap_problem problem = { 0 };
	struct event_log log;
	struct snap_parser *parser;
	struct forge f;

	(void)state;
	forge_begin(&f, NULL);
	forge_row(&f, HEAD(STRINGS, .raw_size = UINT32_MAX), ROW(0, 0));
	forge_expect(&f, SNAP_E_LIMIT, "claims 4294967295 bytes");
	forge_types(&f);
	forge_row(&f, HEAD(OBJECTS), ROW(17, 1, 0, 0, 0, 0, 0, -2));
	forge_row(&f, HEAD(OBJECTS, .first = 1), ROW(17, 1, 0, 0, 0, 0, 0, -2));
	event_log_init(&log, NULL);
	parser = snap_parser_create(&options, &event_log_ops, &log);
	assert_int_equal(snap_parser_feed(parser, f.out.data, f.out.size, &problem), -1);
	assert_int_equal(problem.code, SNAP_E_LIMIT);
	assert_int_equal(log.objects, 1);
	assert_int_equal(log.finished, 1);
	snap_parser_destroy(parser);
	event_log_free(&log);
	bytes_free(&f.out);
}

/* A frame that decompresses to more than its header says is not followed. */
static void test_bomb(void **state)
{
	static uint8_t zeros[1 << 20], frame[4096];
	uint8_t buf[BLOCK_HEAD_SIZE];
	struct forge f;
	struct block_head head =
		HEAD(STRINGS, .columns = 2, .count = 1, .raw_size = 100, .sequence = 1);

	(void)state;
	forge_begin(&f, NULL);
	head.frame_size =
		(uint32_t)ZSTD_compress(frame, sizeof(frame), zeros, sizeof(zeros), 1);
	head.frame_crc = crc32c(0, frame, head.frame_size);
	block_put_head(buf, &head);
	bytes_append(&f.out, buf, sizeof(buf));
	bytes_append(&f.out, frame, head.frame_size);
	forge_expect(&f, SNAP_E_CORRUPT, "zstd frame");
}

/* Lost blocks: the rest is read, ids stay dense, what is missing is said. */
static void test_resync(void **state)
{
	struct bytes bytes = { 0 };
	struct event_log sent;
	size_t at = BLOCK_FILE_HEAD_SIZE;
	struct block_head head;

	(void)state;
	random_snapshot(
		&bytes,
		&(struct random_options){ .seed = 5, .objects = 300, .max_refs = 4 },
		&sent);
	while (at < bytes.size) {
		struct outcome outcome;
		struct guarded g = guarded_copy(bytes.data, bytes.size);

		assert_true(block_get_head(bytes.data + at, &head));
		g.data[at + BLOCK_HEAD_SIZE + head.frame_size / 2] ^= 4;
		read_all(g.data, g.size, 0, &outcome);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.problem.code, SNAP_E_CORRUPT);
		assert_int_equal(outcome.problem.offset, at);
		assert_int_equal(outcome.log.complete, head.type != BLOCK_END);
		if (head.type != BLOCK_PACKED)
			assert_int_equal(outcome.log.objects, sent.objects);
		event_log_free(&outcome.log);
		/* and with the header gone */
		g.data[at + 9] ^= 1;
		read_all(g.data, g.size, 0, &outcome);
		assert_int_equal(outcome.result, 0);
		assert_int_equal(outcome.problem.offset, at);
		if (head.type != BLOCK_PACKED)
			assert_int_equal(outcome.log.objects, sent.objects);
		event_log_free(&outcome.log);
		guarded_free(&g);
		at += BLOCK_HEAD_SIZE + head.frame_size;
	}
	event_log_free(&sent);
	bytes_free(&bytes);
}

/* Bits flipped at random behind repaired checksums: anything may come out but a crash. */
static void test_behind_checksums(void **state)
{
	struct random random = { 99 };
	struct bytes bytes = { 0 };
	struct outcome outcome;

	(void)state;
	random_snapshot(&bytes, &small, NULL);
	for (int round = 0; round < 3000; round++) {
		struct guarded g = guarded_copy(bytes.data, bytes.size);

		for (int i = 0; i <= round % 3; i++)
			g.data[random_below(&random, g.size)] ^=
				(uint8_t)(1u << random_below(&random, 8));
		repair(g.data, g.size);
		read_all(g.data, g.size, round & 1, &outcome);
		event_log_free(&outcome.log);
		guarded_free(&g);
	}
	bytes_free(&bytes);
}

static void test_no_snapshot(void **state)
{
	struct outcome outcome;

	(void)state;
	read_all("", 0, 0, &outcome);
	assert_int_equal(outcome.problem.code, SNAP_E_TRUNCATED);
	event_log_free(&outcome.log);
	read_all("#!/bin/sh\necho this is something else\n", 37, 0, &outcome);
	assert_int_equal(outcome.problem.code, SNAP_E_MAGIC);
	assert_int_equal(outcome.log.finished, 0);
	event_log_free(&outcome.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_snapshot),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_every_flip),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_unknown_blocks),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_packed),
		cmocka_unit_test(test_packed_refs),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_continuation),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_resync),
		cmocka_unit_test(test_behind_checksums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
