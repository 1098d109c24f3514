/* SPDX-License-Identifier: MIT */
/* Units of the walk's interning of strings and shapes, and of str objects' text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/heap/core/shapes.h"
#include "agent/heap/core/strings.h"
#include "agent/python/str.h"

struct counter {
	struct snap_sink sink;
	uint32_t strings, shapes, last_id;
	char text[64];
	size_t size;
};

static int on_string(struct snap_sink *sink, uint32_t id, const char *text, size_t size)
{
	struct counter *c = (struct counter *)sink;

	c->strings++;
	assert_int_equal(c->last_id + 1, id);
	c->last_id = id;
	c->size = size;
	if (size < sizeof(c->text))
		memcpy(c->text, text, size);
	return 0;
}

static int on_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	struct counter *c = (struct counter *)sink;

	assert_int_equal(++c->shapes, shape->id);
	return 0;
}

static const struct snap_sink_ops ops = { .string = on_string, .shape = on_shape };

struct bench {
	struct counter counter;
	struct walk w;
	struct arena arena;
	struct layout lay;
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	arena_init(&b->arena, 0);
	b->counter.sink.ops = &ops;
	b->w.arena = &b->arena;
	b->w.sink = &b->counter.sink;
	b->w.lay = &b->lay;
	if (strings_begin(&b->w) || shapes_begin(&b->w))
		return -1;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	arena_release(&b->arena);
	free(b);
	return 0;
}

static void equal_strings_share_an_id(void **state)
{
	struct bench *b = *state;
	char text[32];
	uint32_t ids[5000];

	assert_int_equal(0, strings_add(&b->w, "", 0));
	for (int i = 0; i < 5000; i++) {
		int n = snprintf(text, sizeof(text), "name%d", i);

		ids[i] = strings_add(&b->w, text, (size_t)n);
		assert_int_equal(i + 1, ids[i]);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "name%d", i);
		assert_int_equal(ids[i], strings_add_text(&b->w, text));
	}
	assert_int_equal(5000, b->counter.strings);
	/* a NUL is a character like another */
	assert_int_not_equal(strings_add(&b->w, "a\0b", 3),
			     strings_add(&b->w, "a\0c", 3));
}

static void long_strings_are_cut_between_characters(void **state)
{
	struct bench *b = *state;
	char text[6000];

	memset(text, 'x', sizeof(text));
	for (size_t i = 1; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2); /* the cut falls into one */
	assert_int_not_equal(0, strings_add(&b->w, text, sizeof(text)));
	assert_true(b->counter.size <= 4000 && b->counter.size >= 3998);
	assert_int_equal(1, b->counter.size % 2);
}

static void equal_shapes_share_an_id(void **state)
{
	struct bench *b = *state;
	struct snap_label labels[40];
	const uint32_t before = b->counter.shapes; /* those that many share */
	uint32_t plain, other;

	memset(labels, 0xee, sizeof(labels)); /* padding must not matter */
	for (uint32_t i = 0; i < 40; i++) {
		labels[i].kind = SNAP_LABEL_ATTR;
		labels[i].name = i + 1;
	}
	assert_int_equal(0, shapes_add(&b->w, labels, 0, SNAP_TAIL_OTHER));
	plain = shapes_add(&b->w, labels, 40, SNAP_TAIL_OTHER);
	assert_int_not_equal(0, plain);
	assert_int_equal(plain, shapes_add(&b->w, labels, 40, SNAP_TAIL_OTHER));
	other = shapes_add(&b->w, labels, 40, SNAP_TAIL_INDEX);
	assert_int_not_equal(plain, other);
	labels[39].name = 7;
	assert_int_not_equal(plain, shapes_add(&b->w, labels, 40, SNAP_TAIL_OTHER));
	assert_int_equal(before + 3, b->counter.shapes);
	assert_int_not_equal(0, shapes_add(&b->w, labels, 0, SNAP_TAIL_PAIRS));
}

/* A str as CPython 3.12 lays it out: {refcnt, type, length, hash, state} data. */
struct fake_str {
	uint64_t refcnt, type, length, hash;
	uint32_t state, pad;
	uint64_t utf8_length, utf8;
	uint8_t data[64];
};

static void check_text(struct bench *b, uint32_t kind, bool ascii, const void *data,
		       size_t length, const char *expected)
{
	static uint64_t fake_type[64];
	struct fake_str str = { .type = (uintptr_t)fake_type, .length = length };
	char buf[64];

	b->lay.type = 8;
	b->lay.tp_flags = 168;
	b->lay.str_length = 16;
	b->lay.str_state = 32;
	b->lay.str_ascii_size = 40;
	b->lay.str_compact_size = 56;
	b->lay.str_kind_shift = 2;
	b->lay.str_compact_bit = 5;
	b->lay.str_ascii_bit = 6;
	fake_type[168 / 8] = 1ULL << 28;
	str.state = kind << 2 | 1u << 5 | (ascii ? 1u << 6 : 0);
	memcpy(ascii ? (void *)&str.utf8_length : (void *)str.data, data, length * kind);
	assert_int_equal(strlen(expected),
			 str_text(&b->lay, (uintptr_t)&str, buf, sizeof(buf)));
	assert_string_equal(expected, buf);
	/* a smaller buffer cuts between characters */
	str_text(&b->lay, (uintptr_t)&str, buf, 4);
	assert_true(strlen(buf) < 4 && !strncmp(buf, expected, strlen(buf)));
}

static void text_of_every_kind(void **state)
{
	static const uint16_t two[] = { 'a', 0x1234, 0xdc80 };
	static const uint32_t four[] = { 0x1f600, 'b' };
	struct bench *b = *state;

	check_text(b, 1, true, "hello", 5, "hello");
	check_text(b, 1, false, "h\xe9llo", 5, "h\xc3\xa9llo");
	check_text(b, 2, false, two, 3, "a\xe1\x88\xb4\xed\xb2\x80");
	check_text(b, 4, false, four, 2,
		   "\xf0\x9f\x98\x80"
		   "b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_strings_share_an_id, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(long_strings_are_cut_between_characters,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(equal_shapes_share_an_id, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(text_of_every_kind, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
