/* SPDX-License-Identifier: MIT */
/*
 * text - growing text, into which a target's text goes escaped (formats/text/escape.h
 * says how; here a backslash is doubled, so that what was meant can be read back).
 */
#ifndef PYMEM_VIEWER_TEXT_TEXT_H
#define PYMEM_VIEWER_TEXT_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "viewer/model/vec.h"

/* A growing text; always NUL-terminated once something was added. */
struct text {
	struct vec buf; /* bytes and the NUL */
	int err;	/* 0 or -ENOMEM, sticky */
};
/* Out of memory while this text was made: nothing is added to it any more. */
void text_fail(struct text *text);
/* How often that happened, to any text; whoever shows many at once compares. */
unsigned long text_failures(void);
void text_free(struct text *text);
void text_clear(struct text *text);
/* "" when empty or out of memory. */
const char *text_get(const struct text *text);
size_t text_len(const struct text *text);
void text_add(struct text *text, const char *ascii);
void text_add_bytes(struct text *text, const char *bytes, size_t size); /* unescaped */
void text_printf(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends escaped target text, at most limit characters of input (0 = no limit), then an
 * ellipsis "..." when cut. quote: 0, or '\'' / '"' which is escaped too (not written
 * around). */
void text_escape(struct text *text, const char *bytes, size_t size, size_t limit,
		 char quote);

#endif
