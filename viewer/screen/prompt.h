/* SPDX-License-Identifier: MIT */
/*
 * prompt - a line of input at the bottom: search, filter, command, address.
 */
#ifndef PYMEM_VIEWER_SCREEN_PROMPT_H
#define PYMEM_VIEWER_SCREEN_PROMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "viewer/screen/keys.h"

enum prompt_kind {
	PROMPT_NONE,
	PROMPT_SEARCH,
	PROMPT_FILTER,
	PROMPT_COMMAND,
	PROMPT_ADDRESS
};

struct prompt {
	enum prompt_kind kind;
	char text[512];
	size_t size;
	size_t from; /* search: where it began */
};

enum prompt_result { PROMPT_CHANGED, PROMPT_ACCEPTED, PROMPT_CANCELLED, PROMPT_UNUSED };

/* Opens the line with initial text. */
void prompt_open(struct prompt *prompt, enum prompt_kind kind, const char *initial);
/* Edits: characters, Backspace, ^U; Enter accepts, Esc cancels (kind becomes NONE after
 * both; text stays). Backspace on an empty line cancels. */
enum prompt_result prompt_event(struct prompt *prompt, const struct event *event);
/* What stands before the text: "/", "\\", ":". */
const char *prompt_sign(enum prompt_kind kind);

#endif
