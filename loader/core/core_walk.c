/* SPDX-License-Identifier: MIT */
/* core_walk - see core_walk.h. */
#include "loader/core/core_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/peek_image.h"
#include "agent/heap/walk.h"
#include "agent/python/binding.h"
#include "loader/core/core_file.h"
#include "loader/core/core_python.h"
#include "loader/target/maps.h"

struct core_walk {
	const struct core_walk_options *options;
	struct core_walk_result *result;
	struct core_file file;
	char *maps_text; /* as the walk reads it */
	struct maps maps;
	struct core_python *python;
	struct snap_sink *sink;
	struct arena arena;
};

static int core_walk_number(struct snap_sink *sink, const char *key, uint64_t value)
{
	const struct snap_fact fact = { .key = key, .kind = SNAP_FACT_U64, .u64 = value };

	return sink->ops->fact(sink, &fact);
}

static int core_walk_text(struct snap_sink *sink, const char *key, const char *text)
{
	const struct snap_fact fact = {
		.key = key, .kind = SNAP_FACT_TEXT, .text = text, .size = strlen(text)
	};

	return *text ? sink->ops->fact(sink, &fact) : 0;
}

/* Who and what, before the walk. */
static int core_walk_identity(const struct core_walk *c)
{
	const struct core_file *file = &c->file;
	struct snap_sink *sink = c->sink;
	int rc = core_walk_number(sink, "pid", (uint64_t)file->pid);

	rc = rc ? rc : core_walk_text(sink, "executable", c->python->path);
	rc = rc ? rc : core_walk_text(sink, "cmdline", file->command);
	if (file->uid_known)
		rc = rc ? rc : core_walk_number(sink, "uid", file->uid);
	rc = rc ? rc : core_walk_number(sink, "time_ns", c->options->time_ns);
	rc = rc ? rc : core_walk_text(sink, "agent.version", PYMEM_VERSION);
	rc = rc ? rc : core_walk_text(sink, "method", "core");
	rc = rc ? rc : core_walk_number(sink, "values", c->options->values);
	rc = rc ? rc : core_walk_text(sink, "core.file", c->options->name);
	if (file->signal)
		rc = rc ? rc :
			  core_walk_number(sink, "core.signal", (uint64_t)file->signal);
	return rc;
}

/* What it could not do: for the snapshot and for who reads our lines. */
static int core_walk_say_missing(const struct core_walk *c,
				 const struct walk_stats *stats)
{
	const struct core_image_counts *n = core_image_counted();
	char *note = c->result->note;
	size_t used = 0;

	if (n->absent || n->different)
		used += (size_t)snprintf(note + used, sizeof(c->result->note) - used,
					 "%" PRIu32
					 " mapped files were not found, %" PRIu32
					 " have another build-id (first %.120s); ",
					 n->absent, n->different, n->example);
	if (n->unverified)
		used += (size_t)snprintf(note + used, sizeof(c->result->note) - used,
					 "%" PRIu32
					 " files are taken by their names alone; ",
					 n->unverified);
	if (stats->scanned_types)
		used += (size_t)snprintf(note + used, sizeof(c->result->note) - used,
					 "references of %" PRIu64
					 " C types were searched for, not told; ",
					 stats->scanned_types);
	if (used >= 2)
		note[used - 2] = 0;
	return core_walk_text(c->sink, "core.note", note);
}

static int core_walk_totals(const struct core_walk *c, const struct walk_stats *stats)
{
	struct snap_sink *sink = c->sink;
	int rc = core_walk_number(sink, "walk_ns", stats->walk_ns);

	rc = rc ? rc : core_walk_number(sink, "walk.sweeps", stats->sweeps);
	rc = rc ? rc : core_walk_number(sink, "walk.mapped_bytes", stats->arena_bytes);
	rc = rc ? rc :
		  core_walk_number(sink, "core.searched_types", stats->scanned_types);
	rc = rc ? rc : core_walk_number(sink, "core.missing_bytes", c->file.missing);
	rc = rc ? rc : core_walk_say_missing(c, stats);
	return rc ? rc : sink->ops->end(sink);
}

static int core_walk_heap(struct core_walk *c)
{
	const struct walk_options options = {
		.values = c->options->values,
		.value_limit = c->options->value_limit,
		.in_copy = true, /* it doesn't change any more */
		.copy_of = (uint32_t)c->file.pid,
		.gil_holder = 1,
		.maps = c->maps_text,
		.maps_size = strlen(c->maps_text),
		.maps_first = true,
		.smaps_fd = c->options->smaps_fd,
		.scan_unknown = true,
	};
	struct walk_stats stats = { 0 };
	char why[256] = "";
	int rc = core_walk_identity(c);

	if (!rc)
		rc = walk_run(&c->python->py, &c->arena, &options, c->sink, &stats, why,
			      sizeof(why));
	if (!rc)
		rc = core_walk_totals(c, &stats);
	c->result->missing = c->file.missing;
	c->result->objects = stats.objects;
	c->result->edges = stats.edges;
	c->result->walk_ns = stats.walk_ns;
	if (rc)
		snprintf(c->result->error, sizeof(c->result->error), "%.200s: %s",
			 c->options->name, why[0] ? why : strerror(-rc));
	return rc ? -1 : 0;
}

static int core_walk_write(struct core_walk *c, snap_write_fn write, void *write_arg)
{
	const size_t size = snap_writer_memory();
	struct snap_writer *writer = NULL;
	char why[256] = "";
	int rc = cpython_probe(&c->python->py, why, sizeof(why));

	if (rc) {
		const struct core_image_counts *n = core_image_counted();

		snprintf(c->result->error, sizeof(c->result->error), "%.150s: %s%s",
			 c->options->name, why,
			 n->absent || n->different ?
				 " (files that were mapped are missing or others: give "
				 "the program with --exec, the folder with its libraries "
				 "with --sysroot)" :
				 "");
		return -1;
	}
	void *mem = arena_map(&c->arena, size);
	if (mem)
		writer = snap_writer_init(mem, size, write, write_arg, &rc);
	if (writer) {
		c->sink = snap_writer_sink(writer);
		rc = core_walk_heap(c);
	} else {
		snprintf(c->result->error, sizeof(c->result->error),
			 "no memory for the snapshot of %.200s", c->options->name);
		rc = -1;
	}
	return rc;
}

/* The mappings' texts, for the walk and for the search of the interpreter. */
static int core_walk_maps(struct core_walk *c)
{
	char *smaps = core_image_maps(true), *text;
	int rc = -1;

	c->maps_text = core_image_maps(false);
	text = c->maps_text ? strdup(c->maps_text) : NULL;
	const int fd = c->options->smaps_fd;
	if (smaps && text && maps_parse(text, &c->maps) == 0 &&
	    write(fd, smaps, strlen(smaps)) == (ssize_t)strlen(smaps) &&
	    lseek(fd, 0, SEEK_SET) == 0)
		rc = 0;
	free(smaps);
	return rc;
}

static int core_walk_image(struct core_walk *c, snap_write_fn write, void *write_arg)
{
	struct core_walk_result *ret = c->result;
	const char *slash = strrchr(c->file.command, '/');
	int rc = -1;

	c->python = calloc(1, sizeof(*c->python));
	if (!c->python || core_walk_maps(c) < 0) {
		snprintf(ret->error, sizeof(ret->error),
			 "%.200s can't be read: out of memory", c->options->name);
	} else if (core_python_find(&c->maps, c->options->name, c->python, ret->error) ==
		   0) {
		ret->pid = c->file.pid;
		snprintf(ret->python, sizeof(ret->python), "%.100s",
			 c->python->py.version_text);
		snprintf(ret->name, sizeof(ret->name), "%s",
			 slash ? slash + 1 : c->file.command);
		rc = core_walk_write(c, write, write_arg);
	}
	return rc;
}

/* Says why it failed of a core that is cut off. */
static void core_walk_say_cut(const struct core_walk *c)
{
	char *error = c->result->error;
	const size_t n = strlen(error);

	if (c->file.missing)
		snprintf(error + n, sizeof(c->result->error) - n,
			 " (it is cut off: %" PRIu64 " bytes of memory are missing)",
			 c->file.missing);
}

/* The same, given up when what it follows leads nowhere. */
static int core_walk_guarded(struct core_walk *c, snap_write_fn write, void *write_arg)
{
	jmp_buf lost;
	int rc = -1;

	if (setjmp(lost)) {
		snprintf(c->result->error, sizeof(c->result->error),
			 "%.200s is damaged: too much of what it refers to isn't in it",
			 c->options->name);
		rc = -1;
	} else {
		core_image_lost_at(&lost);
		rc = core_walk_image(c, write, write_arg);
		core_image_lost_at(NULL);
	}
	if (rc)
		core_walk_say_cut(c);
	free(c->python);
	free(c->maps_text);
	maps_free(&c->maps);
	arena_release(&c->arena);
	return rc;
}

int core_walk_run(const struct core_walk_options *options, snap_write_fn write,
		  void *write_arg, struct core_walk_result *ret)
{
	struct core_walk c = { .options = options, .result = ret };
	int rc = -1;

	arena_init(&c.arena, 0);
	if (core_file_open(options->fd, options->scratch, options->name, &c.file,
			   ret->error) < 0)
		return -1;
	if (core_image_begin(&c.file, options->open, options->open_arg) == 0) {
		peek_image_ask(core_image_source);
		rc = core_walk_guarded(&c, write, write_arg);
		core_image_end();
	} else {
		snprintf(ret->error, sizeof(ret->error), "%.200s: out of memory",
			 options->name);
	}
	core_file_close(&c.file);
	return rc;
}
