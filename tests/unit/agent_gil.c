/* SPDX-License-Identifier: MIT */
/*
 * A CPython 3.6 that has not made its GIL, played by the test: what the main thread is
 * asked to do as a pending call, and what becomes of it when who asked is gone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "agent/base/sys.h"
#include "agent/python/cpython.h"
#include "agent/snap/gil.h"

/* The interpreter's queue of pending calls, of one. */
static struct {
	int (*volatile call)(void *);
	void *arg;
} queue;
static uint64_t current = 1;
static unsigned acted;

static int interpreter_add(int (*call)(void *), void *arg)
{
	if (queue.call)
		return -1;
	queue.call = call;
	queue.arg = arg;
	return 0;
}

static int interpreter_run(void)
{
	int (*const call)(void *) = queue.call;

	assert_non_null(call);
	queue.call = NULL;
	return call(queue.arg);
}

static int interpreter_threads_made(void)
{
	return 0;
}

static void *interpreter_main(void *arg)
{
	(void)arg;
	while (!queue.call)
		sys_sleep_ms(1);
	interpreter_run();
	return NULL;
}

static int act(struct job *job)
{
	(void)job;
	acted++;
	return 0;
}

static const struct gil_action action = { act, NULL };

static struct job *job_of_36(struct cpython *py, struct pymem_start *start,
			     struct job *job)
{
	memset(py, 0, sizeof(*py));
	memset(start, 0, sizeof(*start));
	py->version = 0x03060f;
	py->sym.eval_threads_initialized = (void *)(uintptr_t)interpreter_threads_made;
	py->sym.add_pending_call = (void *)(uintptr_t)interpreter_add;
	py->sym.tstate_current = (void *)&current;
	start->control_fd = start->command_fd = start->stream_fd = -1;
	start->gil_timeout_ms = 20;
	job_open(job, start, JOB_WORKER);
	job->py = py;
	return job;
}

/* A worker that holds the main thread, and ends without a word. */
static void *worker_lost(void *arg)
{
	gil_hold(arg);
	return NULL;
}

static void test_a_lost_worker_holds_nobody(void **state)
{
	struct pymem_start start;
	struct cpython py;
	struct job job;
	pthread_t thread;

	(void)state;
	job_of_36(&py, &start, &job);
	assert_int_equal(pthread_create(&thread, NULL, worker_lost, &job), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(job.held_unthreaded);
	assert_int_equal(interpreter_run(),
			 0); /* it comes back, or the test never ends */
	gil_let_go(&job);
}

static void test_who_is_let_go_comes_back(void **state)
{
	struct pymem_start start;
	struct cpython py;
	struct job job;
	pthread_t thread;

	(void)state;
	job_of_36(&py, &start, &job);
	gil_hold(&job);
	assert_true(job.held_unthreaded);
	assert_int_equal(pthread_create(&thread, NULL, interpreter_main, NULL), 0);
	while (queue.call)
		sys_sleep_ms(1);
	gil_let_go(&job);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* A call that comes when nobody waits for it any more does nothing, and is out of the
 * way of the next. */
static void test_a_late_call_does_nothing(void **state)
{
	struct pymem_start start;
	struct cpython py;
	struct job job;
	pthread_t thread;

	(void)state;
	job_of_36(&py, &start, &job);
	assert_int_equal(gil_with(&job, &action), -1);
	assert_int_equal(job.failed, PYMEM_FAIL_GIL);
	assert_int_equal(gil_with(&job, &action), -1); /* the queue is not free */
	memset(&job, 0x55, sizeof(job));	       /* who waited is gone */
	assert_int_equal(interpreter_run(), 0);
	assert_int_equal(acted, 0);
	job_of_36(&py, &start, &job);
	start.gil_timeout_ms = 60000;
	assert_int_equal(pthread_create(&thread, NULL, interpreter_main, NULL), 0);
	assert_int_equal(gil_with(&job, &action), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(acted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lost_worker_holds_nobody),
		cmocka_unit_test(test_who_is_let_go_comes_back),
		cmocka_unit_test(test_a_late_call_does_nothing),
	};

	return cmocka_run_group_tests_name("agent_gil", tests, NULL, NULL);
}
