/* SPDX-License-Identifier: MIT */
/* Varints, zigzag, the cursor, CRC-32C, predicted references: exhaustive at the edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "formats/core/bytes.h"
#include "formats/core/crc32c.h"
#include "formats/core/pack.h"

/* Two pages, the second of which must not be touched: returns the border. */
static uint8_t *guard(void)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *const p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(p != MAP_FAILED);
	assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
	return p + page;
}

static unsigned expected_size(uint64_t v)
{
	unsigned size = 1;

	while (size < 9 && v >> 7 * size != 0)
		size++;
	return size;
}

/* Right up to the end of readable memory, whole and cut short by each number of bytes. */
static void check_varint(uint64_t v, uint8_t *border)
{
	uint8_t buf[16];
	const size_t size = (size_t)(bytes_put_varint(buf, v) - buf);
	struct bytes_cursor c = { border - size, border };
	uint64_t back = ~v;

	assert_int_equal(size, expected_size(v));
	memcpy(border - size, buf, size);
	assert_true(bytes_varint(&c, &back));
	assert_true(back == v && c.pos == border);
	for (size_t cut = 1; cut <= size; cut++) {
		memcpy(border - size + cut, buf, size - cut);
		c = (struct bytes_cursor){ border - size + cut, border };
		assert_false(bytes_varint(&c, &back));
		assert_true(c.pos == border - size + cut);
	}
	c = (struct bytes_cursor){ buf, buf + sizeof(buf) };
	assert_int_equal(bytes_varint_max(&c, v, &back), 1);
	c.pos = buf;
	if (v > 0)
		assert_int_equal(bytes_varint_max(&c, v - 1, &back), 0);
}

static void test_varint(void **state)
{
	uint8_t *const border = guard();

	(void)state;
	for (uint64_t v = 0; v < 70000; v++)
		check_varint(v, border);
	for (unsigned bit = 0; bit < 64; bit++)
		for (int add = -2; add <= 2; add++)
			check_varint((UINT64_C(1) << bit) + (uint64_t)(int64_t)add,
				     border);
	check_varint(UINT64_MAX, border);
}

/* The examples of SNAPSHOT.md. */
static void test_varint_examples(void **state)
{
	static const struct {
		uint64_t value;
		uint8_t size, bytes[9];
	} examples[] = {
		{ 0, 1, { 0x01 } },
		{ 1, 1, { 0x03 } },
		{ 127, 1, { 0xff } },
		{ 128, 2, { 0x02, 0x02 } },
		{ 300, 2, { 0xb2, 0x04 } },
		{ UINT64_MAX, 9, { 0, 255, 255, 255, 255, 255, 255, 255, 255 } },
	};
	uint8_t buf[16];

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(*examples); i++) {
		assert_int_equal(bytes_put_varint(buf, examples[i].value) - buf,
				 examples[i].size);
		assert_memory_equal(buf, examples[i].bytes, examples[i].size);
	}
}

/* Longer forms than needed are read all the same. */
static void test_varint_long_forms(void **state)
{
	uint8_t buf[BYTES_VARINT_MAX] = { 0x80, 0, 0, 0, 0, 0, 0, 0 };
	struct bytes_cursor c = { buf, buf + 8 };
	uint64_t v = 7;

	(void)state;
	assert_true(bytes_varint(&c, &v));
	assert_int_equal(v, 0);
	assert_ptr_equal(c.pos, c.end);
	memset(buf, 0, sizeof(buf));
	c = (struct bytes_cursor){ buf, buf + 9 };
	assert_true(bytes_varint(&c, &v));
	assert_int_equal(v, 0);
}

static void test_zigzag(void **state)
{
	static const int64_t order[] = { 0, -1, 1, -2, 2, -3 };

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(bytes_zigzag((uint64_t)order[i]), i);
	for (unsigned bit = 0; bit < 64; bit++) {
		const uint64_t v = UINT64_C(1) << bit;

		assert_true(bytes_unzigzag(bytes_zigzag(v)) == v);
		assert_true(bytes_unzigzag(bytes_zigzag(-v)) == -v);
		assert_true(bytes_unzigzag(bytes_zigzag(~v)) == ~v);
	}
}

static void test_take(void **state)
{
	uint8_t *const border = guard();
	struct bytes_cursor c = { border - 4, border };

	(void)state;
	assert_null(bytes_take(&c, 5));
	assert_ptr_equal(bytes_take(&c, 4), border - 4);
	assert_non_null(bytes_take(&c, 0));
	assert_null(bytes_take(&c, 1));
	assert_null(bytes_take(&c, SIZE_MAX));
}

static void test_crc32c(void **state)
{
	uint8_t data[600];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 167 + 3);
	for (size_t n = 0; n < sizeof(data); n++) {
		const uint32_t whole = crc32c(0, data, n);

		assert_int_equal(whole, crc32c_portable(0, data, n));
		assert_int_equal(crc32c(crc32c(0, data, n / 3), data + n / 3, n - n / 3),
				 whole);
	}
}

static void check_ref(uint64_t previous, uint64_t last, uint64_t before, uint64_t ref)
{
	uint8_t buf[32], *end = buf;
	struct packed_slot put = { last, before }, get = put;
	uint64_t put_previous = previous, get_previous = previous, back = ~ref;
	struct bytes_cursor c = { buf, buf };

	assert_int_equal(pack_ref(&end, &put_previous, &put, ref), ref == 0);
	c.end = end;
	assert_true(end - buf <= PACKED_REF_MAX);
	assert_true(packed_get_ref(&c, &get_previous, &get, &back));
	assert_true(back == ref && c.pos == end && put_previous == get_previous &&
		    put.last == get.last && put.before == get.before);
}

static void test_references(void **state)
{
	static const uint64_t interesting[] = {
		0,
		1,
		7,
		8,
		9,
		16,
		0x7f0000000000,
		0x7f0000000008,
		0x7f0000000001,
		0x7fffffffffff,
		0x800000000000,
		UINT64_MAX,
		UINT64_MAX - 7,
		1ull << 63,
		(1ull << 63) - 8,
		0xffffffffff600000,
	};
	const size_t n = sizeof(interesting) / sizeof(*interesting);

	(void)state;
	for (size_t a = 0; a < n; a++)
		for (size_t l = 0; l < n; l++)
			for (size_t r = 0; r < n; r++)
				for (size_t b = 0; b < n; b++)
					check_ref(interesting[a], interesting[l],
						  interesting[b], interesting[r]);
}

static void test_addresses(void **state)
{
	static const uint64_t addrs[] = { 0,
					  8,
					  1,
					  UINT64_MAX,
					  UINT64_MAX - 7,
					  16,
					  0x7f0000000010,
					  0x7f0000000000,
					  3,
					  1ull << 63,
					  0 };
	uint8_t buf[200], *end = buf;
	struct bytes_cursor c;
	uint64_t addr = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(*addrs); i++)
		end = packed_put_addr(end, &addr, addrs[i]);
	addr = 0;
	c = (struct bytes_cursor){ buf, end };
	for (size_t i = 0; i < sizeof(addrs) / sizeof(*addrs); i++) {
		assert_true(packed_get_addr(&c, &addr));
		assert_true(addr == addrs[i]);
	}
	assert_false(packed_get_addr(&c, &addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_varint),
		cmocka_unit_test(test_varint_examples),
		cmocka_unit_test(test_varint_long_forms),
		cmocka_unit_test(test_zigzag),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_crc32c),
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
