/* SPDX-License-Identifier: MIT */
/* emit - see emit.h. */
#include "agent/snap/emit.h"

#include <malloc.h>
#include <string.h>

#include "agent/base/arena.h"
#include "agent/python/call.h"
#include "agent/python/cpython.h"
#include "agent/python/interpreters.h"
#include "agent/heap/walk.h"
#include "agent/snap/apart.h"
#include "agent/snap/cpus.h"
#include "agent/snap/own_gil.h"
#include "agent/snap/world.h"
#include "agent/snap/relay.h"
#include "agent/snap/spawn.h"
#include "agent/base/sys.h"
#include "agent/base/phrase.h"
#include "formats/core/writer.h"

enum { EMIT_UNTOUCHED = 64 << 20 }; /* bytes of tables reserved, hardly used */

static int emit_fact_u64(struct snap_sink *sink, const char *key, uint64_t value)
{
	const struct snap_fact fact = { .key = key, .kind = SNAP_FACT_U64, .u64 = value };

	return sink->ops->fact(sink, &fact);
}

static int emit_fact_text(struct snap_sink *sink, const char *key, const char *text,
			  size_t size)
{
	const struct snap_fact fact = {
		.key = key, .kind = SNAP_FACT_TEXT, .text = text, .size = size
	};

	return size ? sink->ops->fact(sink, &fact) : 0;
}

/* A text file of the captured process; newline and NULs at the end cut, other NULs
 * (command line) made spaces. */
static int emit_fact_file(struct snap_sink *sink, const char *key, int fd)
{
	char buf[4096];
	long n = sys_read_whole(fd, buf, sizeof(buf));

	while (n > 0 && (buf[n - 1] == '\0' || buf[n - 1] == '\n'))
		n--;
	for (long i = 0; i < n; i++) {
		if (buf[i] == '\0')
			buf[i] = ' ';
	}
	return n > 0 ? emit_fact_text(sink, key, buf, (size_t)n) : 0;
}

static const char *emit_method(const struct job *job)
{
	return job->context == JOB_EXTERNAL		? "external" :
		job->start->flags & PYMEM_START_NO_FORK ? "in-place" :
							  "agent";
}

/* Who and what, before the walk. */
static int emit_identity(const struct job *job, struct snap_sink *sink)
{
	const bool in_copy = !(job->start->flags & PYMEM_START_NO_FORK);
	const unsigned strangers = !in_copy ? job->not_stopped :
		job->py->sym.ft_marker	    ? world_running(job->py) :
					      own_gil_running(job->py);
	const char *method = emit_method(job);
	char exe[4096], version[32];
	struct phrase t;
	long n;
	int rc = emit_fact_u64(sink, "pid", (uint64_t)job->pid);

	phrase_init(&t, version, sizeof(version));
	phrase_u64(&t, job->py->version >> 16);
	phrase_str(&t, ".");
	phrase_u64(&t, job->py->version >> 8 & 0xff);
	phrase_str(&t, ".");
	phrase_u64(&t, job->py->version & 0xff);
	rc = rc ? rc : emit_fact_text(sink, "python.version", version, t.used);
	rc = rc ? rc :
		  emit_fact_text(sink, "python.build", job->py->version_text,
				 strlen(job->py->version_text));
	n = sys_link_own("exe", exe, sizeof(exe));
	if (n > 0)
		rc = rc ? rc : emit_fact_text(sink, "executable", exe, (size_t)n);
	rc = rc ? rc : emit_fact_file(sink, "cmdline", sys_open_own("cmdline", O_RDONLY));
	rc = rc ? rc :
		  emit_fact_file(sink, "host",
				 sys_open("/proc/sys/kernel/hostname", O_RDONLY, 0));
	rc = rc ? rc : emit_fact_u64(sink, "uid", (uint64_t)sys0(SYS_geteuid));
	rc = rc ? rc : emit_fact_u64(sink, "time_ns", sys_clock_ns(CLOCK_REALTIME));
	rc = rc ? rc :
		  emit_fact_text(sink, "agent.version", PYMEM_VERSION,
				 strlen(PYMEM_VERSION));
	rc = rc ? rc : emit_fact_text(sink, "method", method, strlen(method));
	rc = rc ? rc :
		  emit_fact_u64(sink, "values",
				!(job->start->flags & PYMEM_START_NO_VALUES));
	if (job->context == JOB_EXTERNAL)
		rc = rc ? rc :
			  emit_fact_u64(sink, "consistent",
					!!(job->start->flags & PYMEM_START_CONSISTENT));
	else if (in_copy)
		rc = rc ? rc : emit_fact_u64(sink, "gil_wait_ns", job->gil_wait_ns);
	if (strangers)
		rc = rc ? rc : emit_fact_u64(sink, "interpreters.not_stopped", strangers);
	return rc;
}

static int emit_totals(struct snap_sink *sink, const struct walk_stats *stats,
		       const struct emit_result *result, size_t own_bytes)
{
	int rc = emit_fact_u64(sink, "walk_ns", result->walk_ns);

	rc = rc ? rc : emit_fact_u64(sink, "walk.sweeps", stats->sweeps);
	rc = rc ? rc : emit_fact_u64(sink, "walk.mapped_bytes", own_bytes);
	if (result->cpu_ns)
		rc = rc ? rc : emit_fact_u64(sink, "walk.cpu_ns", result->cpu_ns);
	if (result->dirty_bytes)
		rc = rc ? rc :
			  emit_fact_u64(sink, "child_dirty_bytes", result->dirty_bytes);
	return rc;
}

/* Pages that the copy has to itself.  Clean ones count: a page that was copied because
 * it was pinned, not written, is one (child_dirty_bytes means "memory it costs"). */
uint64_t emit_dirty_bytes(void)
{
	static const char *const fields[] = { "Private_Dirty:", "Private_Clean:" };
	uint64_t kib, sum = 0;
	char buf[4096];

	if (sys_read_own("smaps_rollup", buf, sizeof(buf)) <= 0)
		return 0;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *s = strstr(buf, fields[i]);

		if (!s)
			return 0;
		for (s += strlen(fields[i]); *s == ' '; s++)
			;
		sum += phrase_parse_u64(&s, &kib) ? kib << 10 : 0;
	}
	return sum;
}

uint32_t emit_reason(int rc)
{
	switch (-rc) {
	case EPIPE:
	case ECONNRESET:
	case EBADF:
	case ETIMEDOUT:
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EIO:
		return PYMEM_FAIL_STREAM;
	case ENOTSUP:
		return PYMEM_FAIL_UNSUPPORTED;
	case ENOMEM:
		return PYMEM_FAIL_MEMORY;
	default:
		return PYMEM_FAIL_WALK;
	}
}

static void emit_sentence(char *err, size_t size, const char *what, int rc)
{
	struct phrase t;

	if (err[0])
		return;
	phrase_init(&t, err, size);
	phrase_str(&t, what);
	phrase_str(&t, " (errno ");
	phrase_u64(&t, (uint64_t)-rc);
	phrase_str(&t, ")");
}

/*
 * May the walk ask the interpreter, once it has walked?  Only in a copy, and with a
 * current thread state, without which most of its functions crash (a copy made by
 * the loader may have caught a moment at which nobody held the GIL).
 */
static bool emit_may_ask(const struct job *job, bool in_copy)
{
	const struct cpython_symbols *sym = &job->py->sym;
	void *(*current)(void) =
		(void *(*)(void))(sym->tstate_unchecked ? sym->tstate_unchecked :
							  sym->tstate_unchecked_new);

	return in_copy && current && current();
}

/* The text of our mappings that the loader left us; NULL = none. */
static const char *emit_maps(const struct pymem_start *start, size_t *size_ret)
{
	const char *mem = (const char *)(uintptr_t)start->maps_addr;
	uint64_t size = 0;

	if (mem)
		memcpy(&size, mem, sizeof(size));
	*size_ret = mem && size <= start->maps_size - sizeof(size) ? (size_t)size : 0;
	return *size_ret ? mem + sizeof(size) : NULL;
}

/* The way of the events to the writer. */
struct emit_path {
	struct snap_sink *sink;
	struct relay *relay; /* NULL: straight */
};

/*
 * By way of a thread of the copy's own where there is a CPU for it.  A copy made by the
 * loader may be of a process whose seccomp filter kills who makes a thread; one made by
 * the worker, a thread itself, is not.
 */
static struct emit_path emit_path(const struct job *job, struct arena *arena,
				  struct snap_sink *writer, bool in_copy)
{
	struct emit_path path = { .sink = writer };

	if (in_copy && cpus_allowed() > 1 &&
	    (job->context != JOB_EXTERNAL || !spawn_confined()))
		path.relay = relay_start(arena, writer);
	if (path.relay)
		path.sink = relay_sink(path.relay);
	return path;
}

static int emit_walk(struct job *job, struct arena *arena, const struct emit_path *path,
		     bool in_copy, struct emit_result *ret, char *err, size_t err_size)
{
	const struct pymem_start *start = job->start;
	size_t maps_size;
	const char *maps = emit_maps(start, &maps_size);
	const struct walk_options options = {
		.values = !job->summary && !(start->flags & PYMEM_START_NO_VALUES),
		.value_limit = start->value_limit,
		.sample_limit = start->sample_limit ? start->sample_limit : 10000,
		.seed = start->seed,
		.in_copy = emit_may_ask(job, in_copy),
		.summary = job->summary,
		.copy_of = in_copy ? (uint32_t)job->pid : 0,
		.copy_task = in_copy ? (uint32_t)job->task : 0,
		.gil_holder = job->gil_holder,
		.apart = in_copy && job->context != JOB_EXTERNAL ? apart_run : NULL,
		/* not malloc itself: where a program takes its address, that is a stub */
		.malloc_at = (uint64_t)(uintptr_t)malloc_usable_size,
		.forked = job->forked,
		.skip_types = start->skip_types,
		.probes = start->probes,
		.maps = maps,
		.maps_size = maps_size,
	};
	const uint64_t began = sys_now_ns();
	struct walk_stats stats = { 0 };
	struct snap_sink *const sink = path->sink;
	int rc = emit_identity(job, sink);

	if (!rc)
		rc = walk_run(job->py, arena, &options, sink, &stats, err, err_size);
	if (!rc && path->relay)
		rc = relay_drain(path->relay);
	ret->walk_ns = sys_now_ns() - began;
	ret->cpu_ns = in_copy ? sys_clock_ns(CLOCK_PROCESS_CPUTIME_ID) : 0;
	ret->objects = stats.objects;
	ret->edges = stats.edges;
	memcpy(ret->doubt, stats.doubt, sizeof(ret->doubt));
	ret->dirty_bytes = in_copy ? emit_dirty_bytes() : 0;
	if (!rc)
		rc = emit_totals(sink, &stats, ret, arena->mapped);
	return rc || job->summary ? rc : sink->ops->end(sink);
}

/*
 * In a copy: the questions asked after the walk (size check) allocate objects, and so
 * may start a collection, which writes to every object and would copy every page.
 * A first threshold of 0 means "never" in all versions; it follows the first list's head
 * (struct gc_generation, Include/internal/pycore_gc.h; Modules/gcmodule.c).
 */
static void emit_never_collect(const struct cpython *py)
{
	const struct layout *const lay = &py->lay;

	if ((lay->free_threaded || lay->unknown & (LAYOUT_LISTS | LAYOUT_HEADER)) &&
	    py->sym.gc_disable && interpreters_current(py))
		call_word(py->sym.gc_disable); /* one word of the interpreter's */
	for (uint32_t i = 0; i < lay->gc_count; i++) {
		if (lay->gc[i].heads[0])
			*(int *)(uintptr_t)(lay->gc[i].heads[0] + lay->gc_head) = 0;
	}
	if (lay->collecting)
		*(int *)(uintptr_t)lay->collecting = 1;
}

int emit_snapshot(struct job *job, bool in_copy, struct emit_result *ret, char *err,
		  size_t err_size)
{
	const size_t size = snap_writer_memory();
	struct snap_writer *writer = NULL;
	struct emit_path path;
	struct arena arena;
	void *mem;
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = cpython_probe(job->py, err, err_size);
	if (!rc && cpython_collecting(job->py))
		rc = -EAGAIN;
	if (rc)
		return rc;
	if (in_copy)
		emit_never_collect(job->py);
	/* The watchdog of a copy measures what it dirties.  In place only mappings can be
	 * counted, of which the walk's directories are hardly ever touched. */
	arena_init(&arena,
		   in_copy || !job->start->max_memory ?
			   0 :
			   job->start->max_memory + EMIT_UNTOUCHED);
	mem = arena_map(&arena, size);
	rc = -ENOMEM;
	if (mem)
		writer = snap_writer_init(mem, size, stream_write, &job->stream, &rc);
	if (writer) {
		path = emit_path(job, &arena, snap_writer_sink(writer), in_copy);
		rc = emit_walk(job, &arena, &path, in_copy, ret, err, err_size);
		if (path.relay)
			relay_stop(path.relay);
		if (!rc && job->summary) /* which is no whole snapshot: no END */
			rc = snap_writer_flush(writer);
	}
	if (rc)
		emit_sentence(err, err_size,
			      writer		    ? "the walk stopped" :
				      rc == -ENOMEM ? "no memory for the writer" :
						      "the snapshot could not be written",
			      rc);
	if (!in_copy)
		arena_release(&arena);
	return rc;
}
