/* SPDX-License-Identifier: MIT */
/*
 * The loader's side of a tracing helper: one that talks without end, says nothing, ends
 * or does its work; none keeps the loader waiting beyond its time.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/inject/helper.h"

enum { SOON_MS = 100, PATIENT_MS = 600000 };

static unsigned long lines;

/* As slow as the helper is quick: comes back when there is more to read. */
static void count_line(void *arg, const char *line)
{
	const struct helper *const h = arg;
	struct pollfd next = { h->channel, POLLIN, 0 };

	assert_non_null(line);
	lines++;
	assert_int_equal(poll(&next, 1, -1), 1);
}

static int work_talk(struct helper *h, struct load_error *err)
{
	(void)err;
	for (;;)
		helper_log(h, "and another thing");
	return 0;
}

static int work_wait(struct helper *h, struct load_error *err)
{
	(void)h, (void)err;
	for (;;)
		pause();
	return 0;
}

static int work_vanish(struct helper *h, struct load_error *err)
{
	(void)h, (void)err;
	_exit(3);
}

static int work_tell(struct helper *h, struct load_error *err)
{
	(void)err;
	helper_log(h, "done");
	h->result.region = 42;
	return 0;
}

static int work_time(struct helper *h, struct load_error *err)
{
	(void)err;
	h->result.region = h->call_ns;
	return 0;
}

static int work_fail(struct helper *h, struct load_error *err)
{
	(void)h;
	return load_fail(err, LOAD_E_STATE, 0, "so it is");
}

static int run(helper_work work, unsigned timeout_ms, struct load_error *err,
	       uint64_t *region_ret)
{
	const struct target target = { .mem = MEMORY_CLOSED, .pidfd = -1 };
	struct helper h = { .target = &target, .lock = -1, .ordinal = 1 };
	const struct inject_options options = { .cancel_fd = -1,
						.log = count_line,
						.log_arg = &h };
	int rc;

	h.options = &options;
	rc = helper_run(&h, work, timeout_ms, false, err);
	*region_ret = h.result.region;
	assert_int_equal(h.process, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it is gone */
	return rc;
}

static void test_one_that_talks_without_end(void **state)
{
	struct load_error err = { 0 };
	uint64_t region;

	(void)state;
	lines = 0;
	assert_int_equal(run(work_talk, SOON_MS, &err, &region), -1);
	assert_int_equal(err.code, LOAD_E_TIMEOUT);
	assert_true(lines > 0);
}

static void test_one_that_says_nothing(void **state)
{
	struct load_error err = { 0 };
	uint64_t region;

	(void)state;
	assert_int_equal(run(work_wait, SOON_MS, &err, &region), -1);
	assert_int_equal(err.code, LOAD_E_TIMEOUT);
}

static void test_one_that_ends(void **state)
{
	struct load_error err = { 0 };
	uint64_t region;

	(void)state;
	assert_int_equal(run(work_vanish, PATIENT_MS, &err, &region), -1);
	assert_int_equal(err.code, LOAD_E_SYSTEM);
}

static void test_result_and_error(void **state)
{
	struct load_error err = { 0 };
	uint64_t region;

	(void)state;
	lines = 0;
	assert_int_equal(run(work_tell, PATIENT_MS, &err, &region), 0);
	assert_int_equal(region, 42);
	assert_int_equal(lines, 1);
	assert_int_equal(run(work_fail, PATIENT_MS, &err, &region), -1);
	assert_int_equal(err.code, LOAD_E_STATE);
	assert_string_equal(err.text, "so it is");
}

/* What waits for us in a target does so by that. */
static void test_what_a_call_takes_is_known(void **state)
{
	struct load_error err = { 0 };
	uint64_t ns;

	(void)state;
	assert_int_equal(run(work_time, PATIENT_MS, &err, &ns), 0);
	assert_in_range(ns, 1, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_that_talks_without_end),
		cmocka_unit_test(test_one_that_says_nothing),
		cmocka_unit_test(test_one_that_ends),
		cmocka_unit_test(test_result_and_error),
		cmocka_unit_test(test_what_a_call_takes_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
