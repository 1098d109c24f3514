/* SPDX-License-Identifier: MIT */
/* draw_ahead - see draw_ahead.h. */
#include "viewer/graph/draw_ahead.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "formats/rights/sandbox.h"
#include "viewer/files/clerk_word.h"
#include "viewer/graph/draw_child.h"

/* Comes with the file to draw into; then the text's bytes, the first with the
 * descriptor for complaints. */
struct draw_ahead_word {
	char engine[16], format[16];
	struct draw_limits limits;
	size_t size; /* of the text */
};

static struct {
	pid_t pid;
	int channel;
} draw_ahead = { .channel = -1 };

/* All of a text, and the descriptor that comes with its first byte; NULL: not all. */
static char *draw_ahead_text(int channel, size_t size, int *fd_ret)
{
	char *const text = malloc(size + 1);
	size_t done = 0;

	while (text && done < size) {
		const ssize_t n = clerk_receive(channel, text + done, size - done,
						done ? NULL : fd_ret);

		if (n <= 0 && !(n < 0 && errno == EINTR)) {
			free(text);
			return NULL;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (text)
		text[size] = '\0';
	return text;
}

static _Noreturn void draw_ahead_wait(int channel, bool confine)
{
	struct draw_ahead_word word;
	int out = -1, words = -1;
	ssize_t n;

	signal(SIGINT, SIG_IGN); /* the parent hears of it, and stops this */
	if (confine && !draw_child_by_program())
		(void)sandbox_enter(SANDBOX_VIEWER); /* a kernel may have none */
	do
		n = clerk_receive(channel, &word, sizeof(word), &out);
	while (n < 0 && errno == EINTR);
	if (n != sizeof(word) || out < 0)
		_exit(0); /* nothing is to be drawn */
	word.engine[sizeof(word.engine) - 1] = word.format[sizeof(word.format) - 1] =
		'\0';
	char *const text = draw_ahead_text(channel, word.size, &words);
	if (!text || words < 0)
		_exit(1);
	draw_child(text, word.engine, word.format, out, &word.limits, words);
}

int draw_ahead_start(bool confine)
{
	int pair[2];

	assert(draw_ahead.channel < 0);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	const pid_t child = fork();
	if (child == 0) {
		close(pair[0]);
		draw_ahead_wait(pair[1], confine);
	}
	const int err = child < 0 ? errno : 0;
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return -err;
	}
	draw_ahead.pid = child;
	draw_ahead.channel = pair[0];
	return 0;
}

bool draw_ahead_waits(void)
{
	return draw_ahead.channel >= 0;
}

/* The first byte takes the descriptor along. */
static bool draw_ahead_send(int channel, const char *text, size_t size, int words_fd)
{
	size_t done = 1;

	if (!clerk_send(channel, text, 1, words_fd))
		return false;
	while (done < size) {
		const ssize_t n = send(channel, text + done, size - done, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

pid_t draw_ahead_begin(const char *dot, const char *engine, const char *format, int out,
		       const struct draw_limits *limits, int words_fd)
{
	struct draw_ahead_word word = { .limits = *limits, .size = strlen(dot) };
	const int channel = draw_ahead.channel;

	assert(channel >= 0 && word.size);
	snprintf(word.engine, sizeof(word.engine), "%s", engine);
	snprintf(word.format, sizeof(word.format), "%s", format);
	const bool sent = clerk_send(channel, &word, sizeof(word), out) &&
		draw_ahead_send(channel, dot, word.size, words_fd);
	close(channel);
	draw_ahead.channel = -1;
	return sent ? draw_ahead.pid : -EPIPE;
}
