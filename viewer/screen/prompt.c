/* SPDX-License-Identifier: MIT */
#include "viewer/screen/prompt.h"

#include <assert.h>
#include <string.h>

#include "viewer/screen/glyph.h"

void prompt_open(struct prompt *p, enum prompt_kind kind, const char *initial)
{
	size_t n = strlen(initial);

	if (n >= sizeof(p->text))
		n = sizeof(p->text) - 1;
	memmove(p->text, initial, n);
	p->text[n] = 0;
	p->size = n;
	p->kind = kind;
}

static void prompt_rub_out(struct prompt *p)
{
	while (p->size > 0 && ((unsigned char)p->text[p->size - 1] & 0xc0) == 0x80)
		p->size--;
	if (p->size > 0)
		p->size--;
	p->text[p->size] = 0;
}

static enum prompt_result prompt_close_with(struct prompt *p, enum prompt_result result)
{
	p->kind = PROMPT_NONE;
	return result;
}

enum prompt_result prompt_event(struct prompt *p, const struct event *e)
{
	char bytes[4];

	assert(p->size < sizeof(p->text));
	switch (e->key) {
	case KEY_IS_ENTER:
		return prompt_close_with(p, PROMPT_ACCEPTED);
	case KEY_IS_ESC:
		return prompt_close_with(p, PROMPT_CANCELLED);
	case KEY_IS_BACKSPACE:
		if (p->size == 0)
			return prompt_close_with(p, PROMPT_CANCELLED);
		prompt_rub_out(p);
		return PROMPT_CHANGED;
	case 0x15: /* ^U */
		p->size = 0;
		p->text[0] = 0;
		return PROMPT_CHANGED;
	default:
		break;
	}
	if (e->key < 0x20 || e->key >= KEY_IS_BACKSPACE)
		return PROMPT_UNUSED;
	size_t n = (size_t)glyph_encode(e->key, bytes);
	if (p->size + n >= sizeof(p->text))
		return PROMPT_UNUSED;
	memcpy(p->text + p->size, bytes, n);
	p->size += n;
	p->text[p->size] = 0;
	return PROMPT_CHANGED;
}

const char *prompt_sign(enum prompt_kind kind)
{
	switch (kind) {
	case PROMPT_SEARCH:
		return "/";
	case PROMPT_FILTER:
		return "filter: ";
	case PROMPT_COMMAND:
		return ":";
	case PROMPT_ADDRESS:
		return "go to address: ";
	case PROMPT_NONE:
		break;
	}
	return "";
}
