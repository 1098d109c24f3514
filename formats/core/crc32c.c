/* SPDX-License-Identifier: MIT */
/*
 * crc32c - with the SSE 4.2 instruction where there is one (8 bytes per 3 cycles,
 * unnoticeable beside compression), else half a byte at a time from a table of 16.
 *
 * The CPU is asked once; the answer is kept in a plain int: two threads asking at
 * the same time write the same value.
 */
#include "formats/core/crc32c.h"

#include "formats/core/bytes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41 with its bits reversed */

/* What four zero-extended shifts of the nibble i give. */
static const uint32_t nibble[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
	0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
	0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size)
{
	const uint8_t *p = data;

	_Static_assert(POLYNOMIAL == 0x82f63b78u, "the table is made for this one");
	crc = ~crc;
	for (size_t i = 0; i < size; i++) {
		crc ^= p[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc,
							       const void *data,
							       size_t size)
{
	const uint8_t *p = data;
	uint64_t sum = ~crc;

	for (; size >= 8; size -= 8, p += 8)
		sum = __builtin_ia32_crc32di(sum, bytes_get_u64(p));
	for (; size > 0; size--, p++)
		sum = __builtin_ia32_crc32qi((uint32_t)sum, *p);
	return ~(uint32_t)sum;
}

static int cpu_has_crc32c(void)
{
	static int known; /* 0 = not asked yet, 1 = yes, 2 = no */
	int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);

	if (answer == 0) {
		unsigned a, b, c = 0, d;

		answer = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) ? 1 : 2;
		__atomic_store_n(&known, answer, __ATOMIC_RELAXED);
	}
	return answer == 1;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	return cpu_has_crc32c() ? crc32c_sse42(crc, data, size) :
				  crc32c_portable(crc, data, size);
}

#else

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
	return crc32c_portable(crc, data, size);
}

#endif
