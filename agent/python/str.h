/* SPDX-License-Identifier: MIT */
/* str - the text of str objects, read from memory (Include/cpython/unicodeobject.h). */
#ifndef PYMEM_AGENT_PYTHON_STR_H
#define PYMEM_AGENT_PYTHON_STR_H

#include "agent/python/object.h"

/* Length in characters, item size 1/2/4 and data address of a str; false: no data,
 * or nobody knows where it lies. */
bool str_data(const struct layout *lay, uint64_t obj, uint64_t *length_ret,
	      uint32_t *kind_ret, uint64_t *data_ret);

/*
 * Can this state word be a str's?  What its bits say must agree: one of the kinds, ASCII
 * only in one-byte characters, and no kind at all (a legacy string, <= 3.11) only where
 * neither is said.  For memory that may be no str any more.
 */
bool str_state_sound(const struct layout *lay, uint32_t state);

/*
 * The text as UTF-8 (surrogates kept, as WTF-8 does), cut at size-1 bytes on a
 * character boundary, NUL-terminated; returns its length, 0 when obj is no str.
 */
size_t str_text(const struct layout *lay, uint64_t obj, char *buf, size_t size);

/* Up to `count` characters from the first on, without a NUL; returns the bytes. */
uint32_t str_encode(char *out, uint64_t data, uint32_t kind, uint64_t count);

/* Is this str of 1-byte characters these bytes? */
bool str_is(const struct layout *lay, uint64_t obj, const char *text, size_t size);

/* Bits of the state word: how it is interned, 0 = not. */
static inline uint32_t str_interned(const struct layout *lay, uint32_t state)
{
	return state & ((1u << lay->str_intern_bits) - 1);
}

#endif
