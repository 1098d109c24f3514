/* SPDX-License-Identifier: MIT */
/* Looks that wait, that are slow and that never end, under a deadline of seconds. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/base/clock.h"
#include "loader/base/deadline.h"

enum { LOOKED = 7, IDLE_SECONDS = 2, LONGEST_SECONDS = 6 };

/* Uses the processor a little, again and again, for so long. */
static void look_slowly(unsigned seconds)
{
	const uint64_t end = clock_now() + seconds * UINT64_C(1000000000);
	const struct timespec nap = { 0, 20000000 };

	while (clock_now() < end) {
		for (volatile unsigned i = 0; i < 100000; i++)
			;
		nanosleep(&nap, NULL);
	}
}

/* The exit status of a process that looks in this way. */
static int look(void (*how)(unsigned), unsigned seconds)
{
	int status = 0;
	const int null = open("/dev/null", O_WRONLY);
	const pid_t pid = fork();

	assert_true(pid >= 0 && null >= 0);
	if (!pid) {
		dup2(null,
		     STDERR_FILENO); /* closed, it would be the deadline's eventfd */
		deadline_begin_within(getpid(), IDLE_SECONDS, LONGEST_SECONDS, -1);
		how(seconds);
		deadline_end();
		_exit(LOOKED);
	}
	close(null);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void look_and_wait(unsigned seconds)
{
	(void)seconds;
	for (;;)
		pause();
}

static void one_that_waits_is_ended(void **state)
{
	(void)state;
	assert_int_equal(look(look_and_wait, 0), 1);
}

static void one_that_is_slow_is_not(void **state)
{
	(void)state;
	assert_int_equal(look(look_slowly, 2 * IDLE_SECONDS), LOOKED);
}

static void one_that_never_ends_is_ended(void **state)
{
	(void)state;
	assert_int_equal(look(look_slowly, 1000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_waits_is_ended),
		cmocka_unit_test(one_that_is_slow_is_not),
		cmocka_unit_test(one_that_never_ends_is_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
