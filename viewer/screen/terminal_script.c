// SPDX-License-Identifier: MIT
/*
 * A script: one line after another, `:command`, `# comment`, or keys as
 * key_parse() reads them.  There is no time in it: every key finds the screen
 * that the previous one left.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "viewer/screen/screen.h"
#include "viewer/screen/terminal.h"

struct script {
	struct terminal terminal;
	FILE *file;
	char *line;
	size_t capacity;
	const char *rest;	/* keys of the line not read yet */
	int number;
	int width, height;
	bool resized;
	int interrupt;		/* > 0: Esc after that many looks */
};

static struct script *script_of(struct terminal *t)
{
	return (struct script *)t;
}

static void script_size(struct terminal *t, int *width_ret, int *height_ret)
{
	*width_ret = script_of(t)->width;
	*height_ret = script_of(t)->height;
}

static int script_fd(struct terminal *t)
{
	(void)t;
	return -1;
}

static bool next_line(struct script *s)
{
	ssize_t n = getline(&s->line, &s->capacity, s->file);
	if (n < 0)
		return false;
	s->number++;
	while (n > 0 && (s->line[n - 1] == '\n' || s->line[n - 1] == '\r'))
		s->line[--n] = 0;
	s->rest = s->line;
	return true;
}

static struct event script_read(struct terminal *t)
{
	struct script *s = script_of(t);
	if (s->resized) {
		s->resized = false;
		return (struct event){ .key = KEY_IS_RESIZE };
	}
	uint32_t key;
	while (!s->rest || !key_parse(&s->rest, &key)) {
		if (!next_line(s))
			return (struct event){ .key = KEY_IS_EOF };
		if (s->line[0] == '#')
			s->rest = NULL;
		if (s->line[0] == ':' && s->line[1]) {
			s->rest = NULL;
			return (struct event){ .key = KEY_IS_COMMAND, .text = s->line + 1 };
		}
	}
	return (struct event){ .key = key };
}

static bool script_interrupted(struct terminal *t)
{
	struct script *s = script_of(t);
	return s->interrupt > 0 && --s->interrupt == 0;
}

static void script_show(struct terminal *t, const struct surface *surface)
{
	(void)t;
	(void)surface;
}

static void script_destroy(struct terminal *t)
{
	struct script *s = script_of(t);
	if (s->file != stdin)
		fclose(s->file);
	free(s->line);
	free(s);
}

static const struct terminal_ops script_ops = {
	.size = script_size,
	.fd = script_fd,
	.read = script_read,
	.interrupted = script_interrupted,
	.show = script_show,
	.destroy = script_destroy,
};

struct terminal *terminal_script(const struct screen_options *o)
{
	struct script *s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	bool use_stdin = strcmp(o->script, "-") == 0;
	s->file = use_stdin ? stdin : fopen(o->script, "re");
	if (!s->file) {
		int saved = errno;
		free(s);
		errno = saved;
		return NULL;
	}
	s->terminal = (struct terminal){
		.ops = &script_ops,
		.color = o->color == SCREEN_COLOR_ALWAYS ||
			 (o->color == SCREEN_COLOR_AUTO && !terminal_no_color()),
		.utf8 = o->charset != SCREEN_CHARSET_ASCII,
		.scripted = true,
	};
	s->width = o->width > 0 ? o->width : 80;
	s->height = o->height > 0 ? o->height : 24;
	return &s->terminal;
}

void terminal_script_resize(struct terminal *t, int width, int height)
{
	if (t->ops != &script_ops)
		return;
	script_of(t)->width = width;
	script_of(t)->height = height;
	script_of(t)->resized = true;
}

void terminal_script_interrupt(struct terminal *t, int calls)
{
	if (t->ops == &script_ops)
		script_of(t)->interrupt = calls;
}

int terminal_script_line(const struct terminal *t)
{
	return t->ops == &script_ops ? ((const struct script *)t)->number : 0;
}
