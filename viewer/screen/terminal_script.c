/* SPDX-License-Identifier: MIT */
/*
 * A script: one line after another, `:command`, `# comment`, or keys as
 * key_parse() reads them.  There is no time in it: every key finds the screen
 * that the previous one left.  It may come through a pipe, line by line, while
 * snapshots arrive.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "viewer/screen/screen.h"
#include "viewer/screen/terminal.h"

struct script {
	struct terminal terminal;
	int fd;
	char *buffer;		      /* bytes read; lines are cut off its start */
	size_t size, capacity, taken; /* taken: bytes of the line being used */
	bool eof;
	const char *line; /* the line being used, in buffer, NUL-terminated */
	const char *rest; /* keys of it not read yet */
	int number;
	int width, height;
	bool resized;
	int interrupt; /* > 0: Esc after that many looks */
};

static struct script *terminal_script_of(struct terminal *t)
{
	return (struct script *)t;
}

static void terminal_script_size(struct terminal *t, int *width_ret, int *height_ret)
{
	*width_ret = terminal_script_of(t)->width;
	*height_ret = terminal_script_of(t)->height;
}

static int terminal_script_fd(struct terminal *t)
{
	return terminal_script_of(t)->fd;
}

/* Reads what is there without waiting; false when nothing more is to be had now. */
static bool terminal_script_more(struct script *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	if (s->eof || poll(&p, 1, 0) <= 0)
		return false;
	if (s->capacity - s->size < 4096) {
		char *buffer = realloc(s->buffer, s->capacity + 65536);
		if (!buffer) {
			s->eof = true;
			return true;
		}
		s->buffer = buffer;
		s->capacity += 65536;
	}
	ssize_t n = read(s->fd, s->buffer + s->size, s->capacity - s->size - 2);
	if (n > 0)
		s->size += (size_t)n;
	else if (n == 0 || errno != EINTR)
		s->eof = true;
	if (s->eof && s->size && s->buffer[s->size - 1] != '\n')
		s->buffer[s->size++] = '\n';
	return true;
}

/* Takes the next whole line; false when it isn't there (yet). */
static bool terminal_script_next_line(struct script *s)
{
	memmove(s->buffer, s->buffer + s->taken, s->size - s->taken);
	s->size -= s->taken;
	s->taken = 0;
	s->line = s->rest = NULL;
	char *end = memchr(s->buffer, '\n', s->size);
	while (!end && terminal_script_more(s))
		end = memchr(s->buffer, '\n', s->size);
	if (!end)
		return false;
	s->taken = (size_t)(end - s->buffer) + 1;
	*end = 0;
	if (end > s->buffer && end[-1] == '\r')
		end[-1] = 0;
	s->number++;
	s->line = s->rest = s->buffer;
	return true;
}

static struct event terminal_script_read(struct terminal *t)
{
	struct script *s = terminal_script_of(t);

	if (s->resized) {
		s->resized = false;
		return (struct event){ .key = KEY_IS_RESIZE };
	}
	uint32_t key;
	while (!s->rest || !key_parse(&s->rest, &key)) {
		if (!terminal_script_next_line(s))
			return (struct event){ .key = s->eof ? KEY_IS_EOF : KEY_IS_NONE };
		if (s->line[0] == '#')
			s->rest = NULL;
		if (s->line[0] == ':' && s->line[1]) {
			s->rest = NULL;
			return (struct event){ .key = KEY_IS_COMMAND,
					       .text = s->line + 1 };
		}
	}
	return (struct event){ .key = key };
}

static bool terminal_script_interrupted(struct terminal *t)
{
	struct script *s = terminal_script_of(t);

	return s->interrupt > 0 && --s->interrupt == 0;
}

static void terminal_script_show(struct terminal *t, const struct surface *surface)
{
	(void)t;
	(void)surface;
}

static void terminal_script_destroy(struct terminal *t)
{
	struct script *s = terminal_script_of(t);

	if (s->fd != STDIN_FILENO)
		close(s->fd);
	free(s->buffer);
	free(s);
}

static const struct terminal_ops script_ops = {
	.size = terminal_script_size,
	.fd = terminal_script_fd,
	.read = terminal_script_read,
	.interrupted = terminal_script_interrupted,
	.show = terminal_script_show,
	.destroy = terminal_script_destroy,
};

struct terminal *terminal_script(const struct screen_options *o)
{
	struct script *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	bool use_stdin = strcmp(o->script, "-") == 0;
	s->fd = use_stdin ? STDIN_FILENO : open(o->script, O_RDONLY | O_CLOEXEC);
	s->capacity = 65536;
	s->buffer = malloc(s->capacity);
	if (s->fd < 0 || !s->buffer) {
		int saved = errno;
		free(s->buffer);
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
	terminal_script_of(t)->width = width;
	terminal_script_of(t)->height = height;
	terminal_script_of(t)->resized = true;
}

void terminal_script_interrupt(struct terminal *t, int calls)
{
	if (t->ops == &script_ops)
		terminal_script_of(t)->interrupt = calls;
}

int terminal_script_line(const struct terminal *t)
{
	return t->ops == &script_ops ? ((const struct script *)t)->number : 0;
}
