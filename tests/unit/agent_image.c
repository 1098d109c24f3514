/* SPDX-License-Identifier: MIT */
/* Units of the walk's readers over an image of memory, without an interpreter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "agent/base/peek.h"
#include "agent/base/peek_image.h"
#include "agent/python/str.h"
#include "agent/python/type_flags.h"
#include "agent/python/versions.h"

enum { TYPE = 0x7f0000001000, STR = 0x7f0000002000, SIZE = 1024 };

static unsigned char type_bytes[SIZE], str_bytes[SIZE];
static const struct peek_segment segments[] = {
	{ TYPE, SIZE, type_bytes },
	{ STR, SIZE, str_bytes },
};

/* An ASCII str and its type as this version lays them out. */
static void lay_out(const struct layout *lay, const char *text)
{
	const uint64_t type = TYPE, length = strlen(text);
	const uint64_t flags = TYPE_STR_SUBCLASS;
	const uint32_t state = 1u << lay->str_kind_shift | 1u << lay->str_compact_bit |
		1u << lay->str_ascii_bit;

	memset(type_bytes, 0, SIZE);
	memset(str_bytes, 0, SIZE);
	memcpy(type_bytes + lay->tp_flags, &flags, sizeof(flags));
	memcpy(str_bytes + lay->type, &type, sizeof(type));
	memcpy(str_bytes + lay->str_length, &length, sizeof(length));
	memcpy(str_bytes + lay->str_state, &state, sizeof(state));
	memcpy(str_bytes + lay->str_ascii_size, text, length);
}

static void strings_of_each_version_are_read(void **state)
{
	char buf[64];

	(void)state;
	for (uint32_t minor = 6; minor <= 15; minor++) {
		struct layout lay = { 0 };

		versions_fill(&lay, 0x030000 | minor << 8, 16);
		lay.str_kind_shift = 2;
		lay.str_compact_bit = 5;
		lay.str_ascii_bit = 6;
		lay_out(&lay, "a text");
		peek_image_set(segments, 2);
		assert_int_equal(6, str_text(&lay, STR, buf, sizeof(buf)));
		assert_string_equal("a text", buf);
		assert_int_equal(0, peek_image_missing());
	}
}

static void what_is_missing_reads_as_zeros_and_is_counted(void **state)
{
	(void)state;
	peek_image_set(segments, 2);
	assert_int_equal(0, peek64(STR + SIZE));
	assert_int_equal(0, peek64(STR + SIZE - 4)); /* half of it is there */
	assert_int_equal(2, peek_image_missing());
	assert_string_equal("", peek_text(0x1000));
	assert_int_equal(3, peek_image_missing());
}

static const unsigned char *source(uint64_t addr, uint64_t size, uint64_t *more_ret)
{
	static unsigned char page[4096];

	if (addr / 4096 != 5 || addr % 4096 + size > 4096)
		return NULL;
	*more_ret = 4096 - addr % 4096;
	memset(page, 7, sizeof(page));
	return page + addr % 4096;
}

static void a_source_is_asked(void **state)
{
	(void)state;
	peek_image_ask(source);
	assert_int_equal(0x07070707, peek32(5 * 4096));
	assert_int_equal(0, peek_image_missing());
	assert_int_equal(0, peek8(6 * 4096));
	assert_int_equal(1, peek_image_missing());
}

static void what_is_kept_is_not_asked_for(void **state)
{
	static const uint64_t words[2] = { 11, 12 };
	const struct peek_segment piece = { 0x9000, sizeof(words), (const void *)words };

	(void)state;
	peek_image_ask(source);
	peek_image_keep(&piece);
	assert_int_equal(12, peek64(0x9008));
	assert_int_equal(0, peek_image_missing());
	assert_int_equal(0, peek64(0x900c)); /* half of it is there */
	assert_int_equal(0, peek64(0x8ff8));
	assert_int_equal(0, peek32(0x9010));
	assert_int_equal(3, peek_image_missing());
	assert_int_equal(0x07070707, peek32(5 * 4096)); /* others are asked for */
	peek_image_keep(NULL);
	assert_int_equal(0, peek64(0x9008));
	assert_int_equal(4, peek_image_missing());
	peek_image_keep(&piece);
	peek_image_ask(source); /* what was kept was another's */
	assert_int_equal(0, peek64(0x9008));
}

/* Freed memory may still begin like a str: a count, the type, and then anything. */
static void states_that_no_str_has_are_refused(void **state)
{
	const struct layout lay = { .str_kind_shift = 2,
				    .str_compact_bit = 5,
				    .str_ascii_bit = 6 };
	const uint32_t compact = 1u << 5, ascii = 1u << 6;

	(void)state;
	assert_true(str_state_sound(&lay, 1u << 2 | compact | ascii));
	assert_true(str_state_sound(&lay, 1u << 2 | compact));
	assert_true(str_state_sound(&lay, 2u << 2 | compact));
	assert_true(str_state_sound(&lay, 4u << 2 | compact));
	assert_true(str_state_sound(&lay, 1u << 2 | ascii)); /* of a subclass */
	assert_true(str_state_sound(&lay, 0));		     /* legacy */
	assert_false(str_state_sound(&lay, UINT32_MAX));
	assert_false(str_state_sound(&lay, 0xfffffffc));
	assert_false(str_state_sound(&lay, compact | ascii));
	assert_false(str_state_sound(&lay, 2u << 2 | compact | ascii));
	assert_false(str_state_sound(&lay, 3u << 2 | compact));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_of_each_version_are_read),
		cmocka_unit_test(states_that_no_str_has_are_refused),
		cmocka_unit_test(what_is_missing_reads_as_zeros_and_is_counted),
		cmocka_unit_test(a_source_is_asked),
		cmocka_unit_test(what_is_kept_is_not_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
