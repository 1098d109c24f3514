/* SPDX-License-Identifier: MIT */
/*
 * walk_driver - the heap walk without ptrace, for tests: a shared object that a
 * Python test loads with ctypes.PyDLL (so that the GIL is held) and asks to walk
 * its own process into a file, in place or in a raw-cloned copy.  For measuring, it
 * tells what the copy cost.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/python/cpython.h"
#include "agent/base/peek.h"
#include "agent/heap/walk.h"
#include "formats/core/writer.h"
#include "walk_trace.h"

/* Counting begins and ends with what is to be counted: the rest runs several times as
 * fast (callgrind's --instr-atstart=no).  Without valgrind these do nothing. */
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
enum { DRIVER_CAN_COUNT = 1 };
#else
#define CALLGRIND_START_INSTRUMENTATION ((void)0)
#define CALLGRIND_STOP_INSTRUMENTATION ((void)0)
enum { DRIVER_CAN_COUNT = 0 };
#endif

enum driver_flags {
	DRIVER_COPY = 1, /* walk in a copy, as a capture does */
	DRIVER_NO_VALUES = 2,
	DRIVER_NO_SINK = 4,   /* throw all events away: the walk alone, for timing */
	DRIVER_NO_OUTPUT = 8, /* encode and compress, but write nothing */
	DRIVER_TRACE = 16,    /* lines of text (walk_trace.h) instead of a snapshot */
	DRIVER_VALGRIND = 32, /* its memory, which changes all the time, is not ours */
};

enum { DRIVER_LIMIT_SHIFT = 8 }; /* flags above: MiB the walk may map, 0 = any */

/* What scripts make room for (tests/bench/instructions.py). */
_Static_assert(offsetof(struct walk_stats, sweeps) == 32 &&
		       sizeof(struct walk_stats) <= 256,
	       "the scripts' structure");

int walk_to_file(const char *path, unsigned flags, struct walk_stats *stats_ret,
		 char *err, size_t err_size);

int driver_collecting(void);

/* What the last copy cost. */
struct driver_costs {
	uint64_t minor_faults, major_faults; /* of the walk, its own tables included */
	uint64_t copied; /* bytes of the process's memory it got for itself: by writes */
	uint64_t mapped; /* ... that came into its page tables, copied or not */
};
static struct driver_costs last_costs;

void driver_costs(struct driver_costs *ret);
long driver_collect(void);

/* Whether the driver was built where callgrind's header is. */
int driver_can_count(void);

static int write_all(void *arg, const void *data, size_t size)
{
	int fd = *(const int *)arg;

	for (size_t done = 0; done < size && fd >= 0;) {
		ssize_t n = write(fd, (const char *)data + done, size - done);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

/*
 * /proc/self/maps without what valgrind has mapped for itself on 64-bit machines
 * (coregrind/m_aspacemgr): the tool at 0x58000000 and its heap from 0x1002000000 on.
 */
static size_t driver_maps(char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[1024];
	size_t used = 0;

	while (f && fgets(line, sizeof(line), f)) {
		unsigned long start = 0;
		const size_t n = strlen(line);

		if (sscanf(line, "%lx", &start) != 1 || used + n >= size ||
		    start >> 24 == 0x58 || (start >= 1UL << 36 && start < 0x1ffe000000))
			continue;
		memcpy(buf + used, line, n);
		used += n;
	}
	if (f)
		fclose(f);
	return used;
}

static void driver_hide_valgrind(struct walk_options *options)
{
	static char maps[1 << 20];

	options->maps = maps;
	options->maps_size = driver_maps(maps, sizeof(maps));
	options->maps_first = true;
}

/* Where nothing may be read of an object, reading it leads nowhere. */
static void driver_poison(struct layout *lay, uint32_t parts)
{
	if (parts & LAYOUT_STR)
		lay->str_length = lay->str_state = lay->str_ascii_size =
			lay->str_compact_size = lay->str_full_size = 0xfff8;
	if (parts & (LAYOUT_STR | LAYOUT_DICT))
		lay->dict_used = lay->dict_keys = lay->dict_values = 0xfff8;
	if (parts & LAYOUT_INT)
		lay->long_digits = 0xfff8;
	if (parts & LAYOUT_LIST)
		lay->list_items = lay->list_allocated = 0xfff8;
	if (parts & LAYOUT_SET)
		lay->set_mask = lay->set_table = lay->set_small = 0xfff8;
}

/* The interpreter, bound and probed; tests pretend that the tables know less of it. */
static int driver_bind(struct cpython **py_ret, char *err, size_t err_size)
{
	const char *const known =
		getenv("WALK_KNOWN"); /* newest version the tables know */
	const char *const unexplained =
		getenv("WALK_UNEXPLAINED"); /* bits of enum layout_parts */
	struct cpython *py = cpython_bind(err, err_size);
	int rc;

	if (!py)
		return -ENOTSUP;
	if (known)
		py->known = (uint32_t)strtoul(known, NULL, 16);
	py->distrusted = getenv("WALK_DISTRUST") != NULL || unexplained;
	if (unexplained)
		py->unexplained = (uint32_t)strtoul(unexplained, NULL, 16);
	*py_ret = py;
	rc = cpython_probe(py, err, err_size);
	if (!rc)
		driver_poison(&py->lay, py->unexplained);
	return rc;
}

static int run(const char *path, unsigned flags, struct walk_stats *stats, char *err,
	       size_t err_size)
{
	static const struct snap_sink_ops nothing;
	struct snap_sink none = { &nothing }, *sink = &none;
	const uint32_t parent = flags & DRIVER_COPY ? (uint32_t)getppid() : 0;
	struct walk_options options = { .values = !(flags & DRIVER_NO_VALUES),
					.value_limit = 64,
					.sample_limit = 10000,
					.seed = 42,
					.in_copy = flags & DRIVER_COPY,
					.copy_of = parent,
					.copy_task = parent };
	struct snap_fact pid = { .key = "pid",
				 .kind = SNAP_FACT_U64,
				 .u64 = (uint64_t)getpid() };
	static struct walk_trace trace;
	struct snap_writer *writer = NULL;
	struct cpython *py = NULL;
	struct arena arena;
	int fd = -1, rc;

	arena_init(&arena, (size_t)(flags >> DRIVER_LIMIT_SHIFT) << 20);
	rc = driver_bind(&py, err, err_size);
	if (rc < 0)
		return rc;
	if (!(flags & (DRIVER_NO_SINK | DRIVER_NO_OUTPUT)))
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (flags & DRIVER_TRACE) {
		walk_trace_init(&trace, fd);
		sink = &trace.sink;
	} else if (!(flags & DRIVER_NO_SINK)) {
		size_t size = snap_writer_memory();

		writer = snap_writer_init(arena_map(&arena, size), size, write_all, &fd,
					  &rc);
		if (!writer)
			return rc;
		sink = snap_writer_sink(writer);
		sink->ops->fact(sink, &pid);
	}
	if (flags & DRIVER_VALGRIND)
		driver_hide_valgrind(&options);
	CALLGRIND_START_INSTRUMENTATION;
	rc = walk_run(py, &arena, &options, sink, stats, err, err_size);
	CALLGRIND_STOP_INSTRUMENTATION;
	if (rc == 0 && sink->ops->end)
		rc = sink->ops->end(sink);
	if (fd >= 0)
		close(fd);
	arena_release(&arena);
	return rc;
}

/* 1: a garbage collection runs, 0: none, or negative: could not be told. */
int driver_collecting(void)
{
	char err[256];
	struct cpython *py = cpython_bind(err, sizeof(err));

	if (!py || cpython_probe(py, err, sizeof(err)) < 0 || !py->lay.collecting)
		return -1;
	return cpython_collecting(py);
}

void driver_costs(struct driver_costs *ret)
{
	*ret = last_costs;
}

/* Collects garbage. PyGC_Collect called from here, and not by libffi, is a call that
 * callgrind sees. -1: there is no such function. */
long driver_collect(void)
{
	long (*collect)(void) = (long (*)(void))dlsym(RTLD_DEFAULT, "PyGC_Collect");

	long n = -1;

	CALLGRIND_START_INSTRUMENTATION;
	if (collect)
		n = collect();
	CALLGRIND_STOP_INSTRUMENTATION;
	return n;
}

int driver_can_count(void)
{
	return DRIVER_CAN_COUNT;
}

/* What the copy sends to its parent. */
struct result {
	int rc;
	char err[512];
	struct walk_stats stats;
	struct driver_costs costs;
};

/* The sum of these fields of /proc/self/smaps_rollup, in bytes. */
static uint64_t driver_rollup(const char *const *fields, unsigned count)
{
	char text[4096];
	const int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	uint64_t sum = 0;

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	for (unsigned i = 0; i < count; i++) {
		const char *at = strstr(text, fields[i]);
		unsigned long kib = 0;

		if (at && sscanf(at + strlen(fields[i]), " %lu", &kib) == 1)
			sum += (uint64_t)kib << 10;
	}
	return sum;
}

static struct driver_costs driver_costs_now(void)
{
	static const char *const private[] = { "Private_Dirty:", "Private_Clean:" };
	static const char *const resident[] = { "Rss:" };
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (struct driver_costs){ .minor_faults = (uint64_t)usage.ru_minflt,
				      .major_faults = (uint64_t)usage.ru_majflt,
				      .copied = driver_rollup(private, 2),
				      .mapped = driver_rollup(resident, 1) };
}

/* In the copy: the walk, and what it cost. Its tables are gone again by then. */
static void driver_run_copy(const char *path, unsigned flags, struct result *result)
{
	struct driver_costs before, after;

	peek_be_alone();
	before = driver_costs_now();
	result->rc = run(path, flags, &result->stats, result->err, sizeof(result->err));
	after = driver_costs_now();
	result->costs = (struct driver_costs){
		.minor_faults = after.minor_faults - before.minor_faults,
		.major_faults = after.major_faults - before.major_faults,
		.copied = after.copied - before.copied,
		.mapped = after.mapped - before.mapped,
	};
}

int walk_to_file(const char *path, unsigned flags, struct walk_stats *stats_ret,
		 char *err, size_t err_size)
{
	struct result result = { .rc = -EIO };
	int pipe_fd[2], status = 0;
	long pid;

	err[0] = 0;
	if (!(flags & DRIVER_COPY))
		return run(path, flags, stats_ret, err, err_size);
	if (pipe(pipe_fd) < 0)
		return -errno;
	pid = syscall(SYS_clone, 0UL, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		driver_run_copy(path, flags, &result);
		if (write(pipe_fd[1], &result, sizeof(result)) != (ssize_t)sizeof(result))
			_exit(2);
		_exit(0);
	}
	close(pipe_fd[1]);
	if (read(pipe_fd[0], &result, sizeof(result)) != (ssize_t)sizeof(result))
		snprintf(result.err, sizeof(result.err), "the copy died");
	close(pipe_fd[0]);
	while (waitpid((pid_t)pid, &status, __WCLONE) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		snprintf(result.err, sizeof(result.err),
			 "the copy died of signal %d, walking "
			 "a %s",
			 WTERMSIG(status), "object");
	*stats_ret = result.stats;
	last_costs = result.costs;
	snprintf(err, err_size, "%s", result.err);
	return result.rc;
}
