/* SPDX-License-Identifier: MIT */
/*
 * fuzz - what the fuzz targets share: the entry that libFuzzer (or driver.c) calls, a
 * check, and files to read the input from.
 */
#ifndef PYMEM_TESTS_FUZZ_FUZZ_H
#define PYMEM_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A promise of what is under test. */
static inline void fuzz_expect(int truth)
{
	if (!truth)
		abort();
}

/* Takes bytes off the front of an input; zeros when it is used up. */
struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

static inline uint64_t fuzz_take(struct fuzz_input *in, size_t size)
{
	uint64_t v = 0;
	const size_t n = size < in->left ? size : in->left;

	if (n)
		memcpy(&v, in->data, n);
	in->data += n;
	in->left -= n;
	return v;
}

/* A NUL-terminated copy of the next size bytes (fewer at the end); to be freed. */
static inline char *fuzz_text(struct fuzz_input *in, size_t size)
{
	const size_t n = size < in->left ? size : in->left;
	char *const text = malloc(n + 1);

	if (!text)
		abort();
	if (n)
		memcpy(text, in->data, n);
	text[n] = '\0';
	in->data += n;
	in->left -= n;
	return text;
}

#endif
