/* SPDX-License-Identifier: MIT */
/*
 * intern - different texts, each once, numbered in the order they came.
 */
#ifndef PYMEM_FORMATS_EXPORT_INTERN_H
#define PYMEM_FORMATS_EXPORT_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern {
	char *text;
	size_t text_size, text_capacity;
	uint64_t *ends; /* of text i: text[ends[i - 1] .. ends[i]) */
	size_t count, capacity;
	uint32_t *slots; /* number + 1, 0 = free; a power of two of them */
	size_t mask;
};

#define INTERN_FAILED UINT32_MAX

/* All zeros is empty. */
void intern_deinit(struct intern *in);
/* The number of a text; INTERN_FAILED when out of memory. */
uint32_t intern_add(struct intern *in, const char *text, size_t size);
/* A text by number. Valid until the next intern_add. */
const char *intern_text(const struct intern *in, uint32_t number, size_t *size_ret);

#endif
