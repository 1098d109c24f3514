/* SPDX-License-Identifier: MIT */
/*
 * argument - what a tool takes, as its schema says it; whatever else is sent is an error
 * that says what is taken.  A null is as good as nothing.
 */
#ifndef PYMEM_VIEWER_MCP_ARGUMENT_H
#define PYMEM_VIEWER_MCP_ARGUMENT_H

#include <jansson.h>
#include <stdbool.h>

#include "viewer/text/text.h"

enum { ARGUMENT_CHOICES = 4 };

enum argument_kind {
	ARGUMENT_TEXT,
	ARGUMENT_ADDRESS, /* text: decimal, or hexadecimal after 0x */
	ARGUMENT_CHOICE,  /* text: one of choices */
	ARGUMENT_NUMBER	  /* whole, from least to most */
};

struct argument {
	const char *name, *description;
	enum argument_kind kind;
	bool required;
	json_int_t least, most;
	const char *choices[ARGUMENT_CHOICES]; /* NULL behind the last */
};

/* The schema of an object of these (NULL behind the last): a new reference, or NULL. */
json_t *argument_schema(const struct argument *const *list);
/* Whether given (an object, or NULL) has what they say; if not, why, to out. */
bool argument_check(const struct argument *const *list, const char *tool,
		    const json_t *given, struct text *out);
/* Of what was checked.  NULL: not given. */
const char *argument_text(const json_t *given, const char *name);
json_int_t argument_number(const json_t *given, const char *name, json_int_t otherwise);

#endif
