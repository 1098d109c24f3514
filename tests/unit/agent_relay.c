/* SPDX-License-Identifier: MIT */
/* Events by way of the relay's thread come out as the events sent straight. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka needs the headers above */
#include <cmocka.h>

#include "agent/snap/relay.h"
#include "agent/snap/spawn.h"
#include "agent/base/sys.h"
#include "formats_events.h"

enum { CAPACITY = 64 << 20 };

/* What the relay's thread writes: no malloc there. */
struct output {
	uint8_t *data;
	size_t size;
	int fails_after, slow_every, writes;
};

static int output_write(void *arg, const void *data, size_t size)
{
	struct output *const out = arg;

	if (++out->writes == out->fails_after)
		return -ENOSPC;
	if (out->slow_every && out->writes % out->slow_every == 0)
		sys_sleep_ms(3);
	if (size > CAPACITY - out->size)
		return -EFBIG;
	memcpy(out->data + out->size, data, size);
	out->size += size;
	return 0;
}

/* A thread that has ended may be listed for some microseconds more. */
static int threads_here(void)
{
	int count = 0;

	for (int tries = 0; tries < 10000 && count != 1; tries++) {
		DIR *const dir = opendir("/proc/self/task");
		const struct dirent *entry;

		count = 0;
		while ((entry = readdir(dir)))
			count += entry->d_name[0] != '.';
		closedir(dir);
		sys_sleep_ms(count != 1);
	}
	return count;
}

/* In a process of its own, as the relay's thread ends with its process; exit status 0:
 * what was asked for holds. */
static int written_as_straight(const struct random_options *options, struct output *out,
			       int expected)
{
	const size_t size = (snap_writer_memory() + 63) & ~(size_t)63;
	struct bytes straight = { 0 };
	struct snap_writer *writer;
	struct relay *relay;
	struct arena arena, arena_of_relay;
	int rc = 0;

	random_snapshot(&straight, options, NULL);
	arena_init(&arena, 0);
	out->data = arena_map(&arena, CAPACITY);
	writer = snap_writer_init(arena_map(&arena, size), size, output_write, out, &rc);
	arena_init(&arena_of_relay, 0);
	relay = writer ? relay_start(&arena_of_relay, snap_writer_sink(writer)) : NULL;
	if (!relay)
		return 1;
	rc = random_events(relay_sink(relay), options);
	if (rc != expected)
		return 2;
	if (rc && relay_drain(relay) != rc)
		return 3;
	relay_stop(relay);
	arena_release(&arena_of_relay); /* a thread that still looks at it dies here */
	if (threads_here() != 1)
		return 6;
	if (rc)
		return 0;
	if (out->size != straight.size)
		return 4;
	return memcmp(out->data, straight.data, out->size) ? 5 : 0;
}

static void check(const struct random_options *options, struct output out, int expected)
{
	const pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(written_as_straight(options, &out, expected));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_same_bytes(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++)
		check(
			&(struct random_options){
				.seed = seed,
				.objects = (uint32_t)(seed * seed * 10),
				.max_refs = 12,
				.no_values = seed % 5 == 0,
			},
			(struct output){ 0 }, 0);
}

/* Neither side may overtake the other, whoever is the slower one. */
static void test_slow_writer(void **state)
{
	(void)state;
	check(&(struct random_options){ .seed = 3, .objects = 60000, .max_refs = 20 },
	      (struct output){ .slow_every = 2 }, 0);
}

/* References that fill a chunk, and more than it takes. */
static void test_long_objects(void **state)
{
	static const uint32_t counts[] = { 16000, 16383, 16384, 32600, 32761, 300000 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		check(&(struct random_options){ .seed = i,
						.objects = 3000,
						.max_refs = 9,
						.long_refs = counts[i] },
		      (struct output){ 0 }, 0);
}

static void test_errors_arrive(void **state)
{
	static const int writes[] = { 2, 3, 10 };

	(void)state;
	for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++)
		check(&(struct random_options){ .seed = i,
						.objects = 60000,
						.max_refs = 20 },
		      (struct output){ .fails_after = writes[i] }, -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes),
		cmocka_unit_test(test_slow_writer),
		cmocka_unit_test(test_long_objects),
		cmocka_unit_test(test_errors_arrive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
