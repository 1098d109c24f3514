/* SPDX-License-Identifier: MIT */
/* terminal_wait: a new size of the terminal is never left until the next key. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "viewer/screen/terminal_wait.h"

static volatile sig_atomic_t resized;
static int looks;

static void on_resize(int sig)
{
	(void)sig;
	resized = 1;
}

/* The signal comes right after the look that found nothing. */
static struct event read_late(struct terminal *terminal)
{
	(void)terminal;
	if (looks++ == 0) {
		raise(SIGWINCH);
		return (struct event){ .key = KEY_IS_NONE };
	}
	return (struct event){ .key = resized ? KEY_IS_RESIZE : KEY_IS_NONE };
}

static struct event read_key(struct terminal *terminal)
{
	(void)terminal;
	return (struct event){ .key = 'q' };
}

static const struct terminal_ops late_ops = { .read = read_late };
static const struct terminal_ops key_ops = { .read = read_key };

static void test_late_resize(void **state)
{
	const struct sigaction action = { .sa_handler = on_resize };
	struct terminal terminal = { .ops = &late_ops };
	struct timespec began, ended;
	struct pollfd fd;
	struct event e;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(sigaction(SIGWINCH, &action, NULL), 0);
	fd = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	clock_gettime(CLOCK_MONOTONIC, &began);
	assert_int_equal(terminal_wait(&terminal, &fd, 1, 5000, &e), -1);
	clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_int_equal(e.key, KEY_IS_NONE);
	assert_true(ended.tv_sec - began.tv_sec < 4);
	assert_int_equal(terminal_wait(&terminal, &fd, 1, 0, &e), 0);
	assert_int_equal(e.key, KEY_IS_RESIZE);
	close(ends[0]);
	close(ends[1]);
}

/* What waits for the signal is only the wait: it is let in again after a key. */
static void test_mask(void **state)
{
	struct terminal terminal = { .ops = &key_ops };
	struct pollfd fd = { .fd = -1 };
	struct event e;
	sigset_t mask;

	(void)state;
	assert_int_equal(terminal_wait(&terminal, &fd, 1, -1, &e), 0);
	assert_int_equal(e.key, 'q');
	assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
	assert_false(sigismember(&mask, SIGWINCH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_resize),
		cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
