/* SPDX-License-Identifier: MIT */
/*
 * The parts of the agent's life that need no interpreter: configuration, channels,
 * the thread that leaves nothing behind, the borrowed arena.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/base/busy.h"
#include "agent/base/libc_arena.h"
#include "agent/base/libc_mutex.h"
#include "agent/snap/control_channel.h"
#include "agent/snap/stream.h"
#include "agent/start.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "agent/trigger/config.h"
#include "agent/base/worker.h"

/* ---- text ---- */

static void test_text(void **state)
{
	char buf[16];
	struct phrase t;
	const char *s;
	uint64_t v = 7;

	(void)state;
	phrase_init(&t, buf, sizeof(buf));
	phrase_u64(&t, UINT64_C(1234567890));
	phrase_padded(&t, 7, 3);
	assert_string_equal(buf, "1234567890007");
	phrase_str(&t, "abcdef");
	assert_string_equal(buf, "1234567890007ab");
	assert_true(t.cut);
	s = "18446744073709551615x";
	assert_true(phrase_parse_u64(&s, &v));
	assert_true(v == UINT64_MAX && *s == 'x');
	s = "18446744073709551616";
	assert_false(phrase_parse_u64(&s, &v));
	s = "-1";
	assert_false(phrase_parse_u64(&s, &v));
}

/* ---- configuration ---- */

static int configure(const char *const *env, struct trigger_config *c, char *err)
{
	return config_read((char *const *)(uintptr_t)env, c, err, 256);
}

static void test_config_good(void **state)
{
	static const char *const env[] = {
		"HOME=/",
		"PYMEM_OUTPUT=/tmp/%p-%t",
		"PYMEM_SIGNAL=SIGUSR1",
		"PYMEM_INTERVAL=90s",
		"PYMEM_RSS_LIMIT=3G",
		"PYMEM_AT_EXIT=yes",
		"PYMEM_KEEP=5",
		"PYMEM_VALUES=0",
		"PYMEM_TEST_ANYTHING=1",
		NULL,
	};
	struct trigger_config c;
	char err[256];

	(void)state;
	assert_int_equal(configure(env, &c, err), 1);
	assert_string_equal(err, "");
	assert_string_equal(c.output, "/tmp/%p-%t");
	assert_int_equal(c.signal, SIGUSR1);
	assert_true(c.interval_ns == 90000000000u && c.rss_bytes == 3ull << 30);
	assert_true(c.at_exit && !c.values && c.keep == 5 && !c.memory_error);
}

static void test_config_values(void **state)
{
	static const struct {
		const char *var;
		bool good;
		uint64_t ns, bytes;
		int sig, percent;
	} cases[] = {
		{ "PYMEM_INTERVAL=5", true, 5000000000, 0, 0, 0 },
		{ "PYMEM_INTERVAL=250ms", true, 250000000, 0, 0, 0 },
		{ "PYMEM_INTERVAL=2h", true, 7200000000000, 0, 0, 0 },
		{ "PYMEM_INTERVAL=99ms", false, 0, 0, 0, 0 },
		{ "PYMEM_INTERVAL=0", false, 0, 0, 0, 0 },
		{ "PYMEM_INTERVAL=99999999999999999999h", false, 0, 0, 0, 0 },
		{ "PYMEM_INTERVAL=999999999999999999h", false, 0, 0, 0, 0 },
		{ "PYMEM_INTERVAL=5 s", false, 0, 0, 0, 0 },
		{ "PYMEM_RSS_LIMIT=512MiB", true, 0, 512u << 20, 0, 0 },
		{ "PYMEM_RSS_LIMIT=1073741824", true, 0, 1u << 30, 0, 0 },
		{ "PYMEM_RSS_LIMIT=80%", true, 0, 0, 0, 80 },
		{ "PYMEM_RSS_LIMIT=101%", false, 0, 0, 0, 0 },
		{ "PYMEM_RSS_LIMIT=0", false, 0, 0, 0, 0 },
		{ "PYMEM_RSS_LIMIT=99999999T", false, 0, 0, 0, 0 },
		{ "PYMEM_SIGNAL=10", true, 0, 0, 10, 0 },
		{ "PYMEM_SIGNAL=RTMIN+3", true, 0, 0, 37, 0 },
		{ "PYMEM_SIGNAL=RTMIN+31", false, 0, 0, 0, 0 },
		{ "PYMEM_SIGNAL=KILL", false, 0, 0, 0, 0 },
		{ "PYMEM_SIGNAL=9", false, 0, 0, 0, 0 },
		{ "PYMEM_SIGNAL=TERM", false, 0, 0, 0, 0 },
		{ "PYMEM_SIGNAL=", false, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const env[] = { "PYMEM_OUTPUT=/tmp/x", cases[i].var, NULL };
		struct trigger_config c;
		char err[256];
		const int rc = configure(env, &c, err);

		if (rc != (cases[i].good ? 1 : -1))
			fail_msg("%s gave %d (%s)", cases[i].var, rc, err);
		if (!cases[i].good)
			assert_non_null(strstr(err, "PYMEM_"));
		else
			assert_true(c.interval_ns == cases[i].ns &&
				    c.rss_bytes == cases[i].bytes &&
				    c.signal == cases[i].sig &&
				    (int)c.rss_percent == cases[i].percent);
	}
}

static void test_config_previews(void **state)
{
	static const struct {
		const char *var;
		int rc;
		uint32_t values;
	} cases[] = {
		{ "PYMEM_KEEP=1", 1, 64 },	  { "PYMEM_VALUES=no", 1, 0 },
		{ "PYMEM_VALUES=1", 1, 64 },	  { "PYMEM_VALUES=2", 1, 2 },
		{ "PYMEM_VALUES=4096", 1, 4096 }, { "PYMEM_VALUES=4097", -1, 0 },
		{ "PYMEM_VALUES=-1", -1, 0 },	  { "PYMEM_VALUES=20x", -1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *const env[] = { "PYMEM_OUTPUT=/tmp/x", "PYMEM_AT_EXIT=1",
					    cases[i].var, NULL };
		struct trigger_config c;
		char err[256];

		assert_int_equal(configure(env, &c, err), cases[i].rc);
		if (cases[i].rc > 0)
			assert_int_equal(c.values, cases[i].values);
	}
}

static void test_config_wholes(void **state)
{
	static const char *const nothing[] = { "A=B", "PYMEM_TORTURE=1", NULL };
	static const char *const unknown[] = { "PYMEM_OUTPT=/x", NULL };
	static const char *const summary[] = { "PYMEM_OUTPUT=/x/%p.summary",
					       "PYMEM_AT_EXIT=1", NULL };
	static const char *const no_output[] = { "PYMEM_AT_EXIT=1", NULL };
	static const char *const no_trigger[] = { "PYMEM_OUTPUT=/x", NULL };
	static const char *const only_door[] = { "PYMEM_CONTROL=/x", NULL };
	static const char *const hostile[] = { "PYMEM_KEEP=\x1b[31m", NULL };
	struct trigger_config c;
	char err[256];

	(void)state;
	assert_int_equal(configure(nothing, &c, err), 0);
	assert_string_equal(err, "");
	assert_int_equal(configure(unknown, &c, err), 0);
	assert_non_null(strstr(err, "PYMEM_OUTPT is not known"));
	assert_int_equal(configure(summary, &c, err), 1);
	assert_string_equal(err, "");
	assert_true(c.summary);
	assert_int_equal(configure(no_output, &c, err), -1);
	assert_int_equal(configure(no_trigger, &c, err), -1);
	assert_int_equal(configure(only_door, &c, err), 1);
	assert_int_equal(configure(hostile, &c, err), -1);
	assert_null(strchr(err, '\x1b'));
}

/* ---- channels ---- */

static void test_control(void **state)
{
	char buf[8192];
	struct pymem_msg msg;
	struct control_channel control;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	control_channel_open(&control, pair[1], -1, 99);
	control_channel_send(&control, PYMEM_MSG_PHASE, 1, 2, 3, 4, "hello");
	assert_int_equal(recv(pair[0], buf, sizeof(buf), 0), sizeof(msg) + 5);
	memcpy(&msg, buf, sizeof(msg));
	assert_true(msg.type == PYMEM_MSG_PHASE && msg.nonce == 99 && msg.d == 4 &&
		    msg.text_size == 5);
	assert_false(control_channel_cancelled(&control, 0));
	msg.type = PYMEM_MSG_CANCEL;
	msg.nonce = 98; /* not for us */
	send(pair[0], &msg, sizeof(msg), 0);
	assert_false(control_channel_cancelled(&control, 0));
	msg.nonce = 99;
	send(pair[0], &msg, sizeof(msg), 0);
	assert_true(control_channel_cancelled(&control, 100));
	close(pair[0]); /* the loader died */
	assert_true(control_channel_cancelled(&control, 100));
	control_channel_send(&control, PYMEM_MSG_DONE, 0, 0, 0, 0, NULL); /* no SIGPIPE */
	control_channel_close(&control);
	assert_int_equal(fcntl(pair[1], F_GETFD), -1);
}

/* The application closed our number and got it again for a file of its own. */
static void test_recycled_fd(void **state)
{
	struct control_channel control;
	struct stream stream;
	char name[] = "/tmp/pymem-unit-XXXXXX";
	const int file = mkstemp(name);
	struct stat st;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	control_channel_open(&control, pair[1], -1, 1);
	stream_open(&stream, pair[1], -1);
	stream.check = true;
	assert_int_equal(dup2(file, pair[1]), pair[1]);
	control_channel_send(&control, PYMEM_MSG_DONE, 0, 0, 0, 0, "secret");
	assert_int_equal(stream_write(&stream, "secret", 6), -EBADF);
	assert_true(control_channel_cancelled(&control, 0));
	control_channel_close(&control);
	assert_int_equal(fstat(pair[1], &st), 0); /* still the application's */
	assert_int_equal(st.st_size, 0);
	close(pair[0]);
	close(pair[1]);
	close(file);
	unlink(name);
}

static void test_stream_stalls(void **state)
{
	static char block[1 << 20];
	struct stream stream;
	uint64_t began;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	stream_open(&stream, pair[1], -1);
	stream.stall_ms = 200;
	began = sys_now_ns();
	assert_int_equal(stream_write(&stream, block, sizeof(block)), -ETIMEDOUT);
	assert_true(sys_now_ns() - began >= 200000000u);
	close(pair[0]);
	assert_int_equal(stream_write(&stream, block, 1), -EPIPE);
	stream_close(&stream);

	assert_int_equal(pipe(pair), 0);
	stream_open(&stream, pair[1], -1);
	stream.stall_ms = 200;
	assert_int_equal(stream_write(&stream, block, sizeof(block)), -ETIMEDOUT);
	stream_close(&stream);
	close(pair[0]);
}

/* ---- one at a time ---- */

static void test_busy(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	assert_true(busy_claim());
	assert_false(busy_claim());
	pid = fork();
	if (pid == 0)
		_exit(busy_claim() && !busy_claim() ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(busy_claim());
	busy_release();
	assert_true(busy_claim());
	busy_release();
}

/* ---- the thread ---- */

static struct {
	sigset_t mask;
	char name[16];
	int policy, cpus;
	void *block;
	volatile int over;
	bool exits;
} seen;

static void observe(void *arg)
{
	cpu_set_t set;

	(void)arg;
	pthread_sigmask(SIG_SETMASK, NULL, &seen.mask);
	prctl(PR_GET_NAME, seen.name);
	seen.policy = sched_getscheduler(0);
	sched_getaffinity(0, sizeof(set), &set);
	seen.cpus = CPU_COUNT(&set);
	seen.block = malloc(100);
	free(malloc(5000));
	if (seen.exits)
		pthread_exit(NULL);
}

static void observed(void *arg)
{
	(void)arg;
	seen.over++;
}

/* Size of what /proc shows mapped, and how many mappings. */
static size_t mapped(unsigned *count_ret)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long from, to;
	char line[512];
	size_t all = 0;

	*count_ret = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx", &from, &to) == 2) {
			all += to - from;
			++*count_ret;
		}
	}
	fclose(f);
	return all;
}

static void run_worker(struct worker *worker, bool exits)
{
	const int before = seen.over;

	seen.exits = exits;
	assert_int_equal(worker_start(worker), 0);
	for (int i = 0; i < 2000 && seen.over == before; i++)
		usleep(1000);
	assert_int_equal(seen.over, before + 1);
	/* known as soon as it was made, unless it was over by then */
	assert_true(worker->made == worker->tid || worker->made == 0);
}

static void test_worker(void **state)
{
	struct worker worker = { .run = observe, .over = observed, .name = "pymem-test" };
	unsigned count, count_after;
	size_t before, after;
	cpu_set_t one, all;
	bool glibc;

	(void)state;
	/* under a sanitizer malloc is another one, and its threads' memory stays */
	glibc = libc_arena_learn();
#ifndef __SANITIZE_ADDRESS__
	assert_true(glibc);
#endif
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (CPU_ISSET(i, &all)) {
			CPU_SET(i, &one);
			break;
		}
	}
	sched_setaffinity(0, sizeof(one), &one);
	run_worker(&worker, true); /* and maps what it keeps */
	free(seen.block);
	mapped(&count);
	before = mapped(&count);
	run_worker(&worker, false);
	sched_setaffinity(0, sizeof(all), &all);
	assert_true(sigismember(&seen.mask, SIGINT) && sigismember(&seen.mask, SIGALRM) &&
		    sigismember(&seen.mask, SIGSEGV));
	assert_string_equal(seen.name, "pymem-test");
	assert_int_equal(seen.policy, SCHED_OTHER);
	assert_int_equal(seen.cpus, CPU_COUNT(&all));
	assert_true(seen.block && malloc_usable_size(seen.block) >= 100);
	free(seen.block);
	for (int i = 0; i < 10; i++)
		run_worker(&worker, i & 1), free(seen.block);
	after = mapped(&count_after);
	if (glibc) { /* no arena of 64 MiB, no cached stack */
		assert_int_equal(before, after);
		assert_int_equal(count, count_after);
	}
	for (int i = 0; i < 1000 && !syscall(SYS_tgkill, getpid(), worker.tid, 0); i++)
		usleep(1000);
	worker_unmap(&worker);
	mapped(&count_after);
	assert_true(!glibc || count_after < count);
}

/* A thread that never met us, after all of that, still gets and returns an arena. */
static void *use_malloc(void *arg)
{
	(void)arg;
	for (int i = 1; i < 2000; i++)
		free(malloc((size_t)i * 7));
	return malloc(10);
}

static void test_other_threads_unharmed(void **state)
{
	pthread_t thread[8];

	(void)state;
	for (int round = 0; round < 20; round++) {
		void *block;

		for (int i = 0; i < 8; i++)
			assert_false(pthread_create(&thread[i], NULL, use_malloc, NULL));
		for (int i = 0; i < 8; i++) {
			pthread_join(thread[i], &block);
			free(block);
		}
	}
}

/* ---- what a mutex is in the C library that runs ---- */

static void test_mutex_kinds(void **state)
{
	static const int kinds[] = { PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
				     PTHREAD_MUTEX_ERRORCHECK };
	/* musl: kind, lock, waiters; here recursive, held by thread 1234, and normal */
	const int recursive[10] = { 1, 1234, 0 }, held[10] = { 0, 16, 1 };

	(void)state;
	assert_true(libc_is_glibc());
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		pthread_mutexattr_t attr;
		pthread_mutex_t mutex;

		pthread_mutexattr_init(&attr);
		pthread_mutexattr_settype(&attr, kinds[i]);
		pthread_mutex_init(&mutex, &attr);
		pthread_mutex_lock(&mutex);
		assert_int_equal(libc_mutex_ordinary(&mutex), i == 0);
		pthread_mutex_unlock(&mutex);
		pthread_mutex_destroy(&mutex);
		pthread_mutexattr_destroy(&attr);
	}
	assert_false(libc_mutex_ordinary_in(recursive, false));
	assert_true(libc_mutex_ordinary_in(held, false));
	assert_int_equal(libc_mutex_size_of(true), sizeof(pthread_mutex_t));
	assert_int_equal(libc_mutex_size_of(false), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_config_good),
		cmocka_unit_test(test_config_values),
		cmocka_unit_test(test_config_previews),
		cmocka_unit_test(test_config_wholes),
		cmocka_unit_test(test_mutex_kinds),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_recycled_fd),
		cmocka_unit_test(test_stream_stalls),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_worker),
		cmocka_unit_test(test_other_threads_unharmed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
