/* SPDX-License-Identifier: MIT */
/* Units of what the agent knows of CPython: tables, safe reads, calls, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "agent/python/binding.h"
#include "agent/python/version_text.h"
#include "agent/base/page.h"
#include "agent/python/call.h"
#include "agent/python/probe.h"
#include "agent/python/versions.h"
#include "agent/base/peek.h"

static void tables_cover_each_version(void **state)
{
	struct layout lay;

	(void)state;
	for (uint32_t minor = 6; minor <= 16; minor++) {
		memset(&lay, 0, sizeof(lay));
		versions_fill(&lay, 0x030000 | minor << 8, 16);
		assert_int_equal(8, lay.type);
		assert_int_equal(16, lay.head);
		assert_int_equal(168, lay.tp_flags);
		assert_int_equal(minor >= 12 ? 40 : 48, lay.str_ascii_size);
		assert_int_equal(minor >= 12 ? 64 : 80, lay.str_full_size);
		assert_int_equal(minor >= 11 ? 32 : 40, lay.keys_indices);
		assert_int_equal(minor >= 12, lay.long_tagged);
		assert_int_equal(minor >= 11, lay.immortal_value != 0);
		assert_int_equal(minor >= 13 ? 8 : 0, lay.values_items);
		assert_int_equal(minor <= 10, lay.keys_kind == 0xffff);
	}
}

static void micro_releases_may_differ(void **state)
{
	static const struct {
		uint32_t version;
		bool owns;
	} rows[] = {
		{ 0x030c01, false }, { 0x030d00, false }, { 0x030d0c, false },
		{ 0x030d0d, true },  { 0x030d0f, true },  { 0x030e00, false },
		{ 0x030e03, false }, { 0x030e04, true },  { 0x030f02, true },
	};
	struct layout lay;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&lay, 0, sizeof(lay));
		versions_fill(&lay, rows[i].version, 16);
		assert_int_equal(rows[i].owns, lay.dict_owns_embedded);
	}
}

/* As dict_traverse reads a dict of 3.13 with values: ma_keys at 32, ma_values at 40,
 * dk_nentries at 24, the values at 8, "embedded" the third byte before them. */
static int traverse_all(unsigned char *dict, call_visit_fn *visit, void *arg)
{
	unsigned char *keys, *values;
	void *value;
	uint64_t count;

	memcpy(&keys, dict + 32, sizeof(keys));
	memcpy(&values, dict + 40, sizeof(values));
	memcpy(&count, keys + 24, sizeof(count));
	for (uint64_t i = 0; i < count; i++) {
		memcpy(&value, values + 8 + 8 * i, sizeof(value));
		if (value)
			visit(value, arg);
	}
	return 0;
}

static int traverse_own(unsigned char *dict, call_visit_fn *visit, void *arg)
{
	unsigned char *values;

	memcpy(&values, dict + 40, sizeof(values));
	return values[2] ? 0 : traverse_all(dict, visit, arg);
}

/* Whatever the number of the release says: distributions change them. */
static void who_owns_embedded_values_is_asked(void **state)
{
	static const struct {
		uint32_t version;
		int (*traverse)(unsigned char *, call_visit_fn *, void *);
	} rows[] = {
		{ 0x030d00, traverse_all },
		{ 0x030d05, traverse_own },
		{ 0x030e0a, traverse_own },
		{ 0x030e0a, traverse_all },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char type[512] = { 0 };
		struct cpython py = { .version = rows[i].version };

		versions_fill(&py.lay, rows[i].version, 16);
		memcpy(type + py.lay.tp_traverse, &rows[i].traverse, sizeof(void *));
		memcpy(&py.sym.dict_type, &(void *){ type }, sizeof(void *));
		probe_embedded(&py);
		assert_int_equal(rows[i].traverse == traverse_all,
				 py.lay.dict_owns_embedded);
	}
}

static void a_longer_head_moves_the_fields_of_objects(void **state)
{
	struct layout plain = { 0 }, traced = { 0 };

	(void)state;
	versions_fill(&plain, 0x030700, 16);
	versions_fill(&traced, 0x030700, 32);
	assert_int_equal(24, traced.type);
	assert_int_equal(16, traced.refcnt);
	assert_int_equal(plain.tp_name + 16, traced.tp_name);
	assert_int_equal(plain.dict_keys + 16, traced.dict_keys);
	assert_int_equal(plain.keys_nentries, traced.keys_nentries); /* no object */
}

static void safe_reads_stop_at_holes(void **state)
{
	char *mem = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	char buf[64];
	uint64_t word = 42, end;

	(void)state;
	assert_true(mem != MAP_FAILED);
	assert_int_equal(0, munmap(mem + 4096, 4096));
	end = (uintptr_t)mem + 4096;
	memset(mem, 'x', 4096);
	assert_true(peek_safe64(end - 8, &word));
	assert_int_equal(0x7878787878787878ULL, word);
	word = 42;
	assert_false(peek_safe64(end - 4, &word));
	assert_false(peek_safe64(0, &word));
	assert_false(peek_safe64(1ULL << 62, &word));
	assert_int_equal(42, word);
	assert_false(peek_safe_text(end - 8, buf, sizeof(buf)));
	memcpy(mem + 4088, "seven\0", 6);
	assert_true(peek_safe_text(end - 8, buf, sizeof(buf)));
	assert_string_equal("seven", buf);
	assert_true(peek_safe_text((uintptr_t)mem, buf, sizeof(buf)));
	assert_int_equal(sizeof(buf) - 1, strlen(buf));
	munmap(mem, 4096);
}

static long weigh(int a, unsigned b, long c, double d)
{
	return a + (long)b * 10 + c * 100 + (long)d * 1000;
}

static void calls_follow_their_signature(void **state)
{
	union {
		long (*fn)(int, unsigned, long, double);
		void *p;
	} u = { .fn = weigh };
	double d = 7;
	uint64_t args[4] = { (uint64_t)-3, 5, 6, 0 }, ret = 0;

	(void)state;
	memcpy(&args[3], &d, sizeof(d));
	assert_int_equal(0, call_by_signature(u.p, "l:iuld", args, &ret));
	assert_int_equal(7647, ret);
	assert_true(call_by_signature(u.p, "l:x", args, &ret) < 0);
	assert_true(call_by_signature(u.p, "iuld", args, &ret) < 0);
	assert_true(call_by_signature(u.p, "l:v", args, &ret) < 0);
	assert_true(call_by_signature(u.p, "l:iiiiiiiii", args, &ret) < 0);
	assert_true(call_by_signature(NULL, "l:", args, &ret) < 0);
}

static void the_version_is_read_from_data(void **state)
{
	static char data[300]; /* as Python/getversion.c has it */
	static char guarded[3 << 16];
	char text[64];

	(void)state;
	assert_false(version_text_find(data, text, sizeof(text)));
	strcpy(data, "3.x (no) version 3.11.1 (behind another text)");
	assert_false(version_text_find(data, text, sizeof(text)));
	strcpy(data, "3.14.0rc2+ (main, Nov 1 2026, 00:00:00) [GCC 12.2.0]");
	assert_true(version_text_find(data, text, sizeof(text)));
	assert_string_equal(data, text);
	assert_true(version_text_find(data, text, 20));
	assert_string_equal("3.14.0rc2+ (main, N", text);
	strcpy(data,
	       "3.13.1+ experimental free-threading build (main, Nov 1 2026) [GCC]");
	assert_true(version_text_find(data, text, 20));
	assert_string_equal("3.13.1+ experimenta", text);
	memset(data, 0, sizeof(data));
	strcpy(data + 200, "3.6.15 (default)");
	assert_true(version_text_find(data, text, sizeof(text)));
	assert_string_equal("3.6.15 (default)", text);
	assert_false(version_text_find(text, text, sizeof(text))); /* no object's */
	/* a page of it that can't be read */
	char *const page = guarded + (page_size() - (uintptr_t)guarded % page_size());
	assert_int_equal(mprotect(page, page_size(), PROT_NONE), 0);
	assert_true(version_text_find(data, text, sizeof(text)));
	assert_int_equal(mprotect(page, page_size(), PROT_READ | PROT_WRITE), 0);
	memset(data, 0, sizeof(data));
}

static void a_process_without_python_is_told_so(void **state)
{
	char err[256] = "";

	(void)state;
	assert_null(cpython_bind(err, sizeof(err)));
	assert_string_equal("this process has not loaded CPython", err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_cover_each_version),
		cmocka_unit_test(micro_releases_may_differ),
		cmocka_unit_test(who_owns_embedded_values_is_asked),
		cmocka_unit_test(a_longer_head_moves_the_fields_of_objects),
		cmocka_unit_test(safe_reads_stop_at_holes),
		cmocka_unit_test(calls_follow_their_signature),
		cmocka_unit_test(the_version_is_read_from_data),
		cmocka_unit_test(a_process_without_python_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
