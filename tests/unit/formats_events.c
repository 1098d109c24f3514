/* SPDX-License-Identifier: MIT */
#include "formats_events.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the headers above */
#include <cmocka.h>

/* ---- bytes ---- */

int bytes_append(void *arg, const void *data, size_t size)
{
	struct bytes *const b = arg;

	if (b->size + size > b->capacity) {
		b->capacity = (b->size + size) * 2;
		b->data = realloc(b->data, b->capacity);
		assert_non_null(b->data);
	}
	memcpy(b->data + b->size, data, size);
	b->size += size;
	return 0;
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ 0 };
}

/* ---- log ---- */

static struct event_log *log_of(struct snap_sink *sink)
{
	return (struct event_log *)sink;
}

static void put_text(FILE *f, const char *text, size_t size)
{
	fprintf(f, " %zu:", size);
	fwrite(text, 1, size, f);
}

#define FORWARD(log, event, ...) \
	((log)->next ? (log)->next->ops->event((log)->next, ##__VA_ARGS__) : 0)

static int log_fact(struct snap_sink *sink, const struct snap_fact *e)
{
	struct event_log *const log = log_of(sink);
	FILE *const f = log->file[LOG_FACTS];

	fprintf(f, "%s %u %" PRIu64, e->key, e->kind,
		e->kind == SNAP_FACT_U64 ? e->u64 : 0);
	if (e->kind == SNAP_FACT_TEXT)
		put_text(f, e->text, e->size);
	fputc('\n', f);
	return FORWARD(log, fact, e);
}

static int log_string(struct snap_sink *sink, uint32_t id, const char *text, size_t size)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_STRINGS], "%u", id);
	put_text(log->file[LOG_STRINGS], text, size);
	fputc('\n', log->file[LOG_STRINGS]);
	return FORWARD(log, string, id, text, size);
}

static int log_type(struct snap_sink *sink, const struct snap_type *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_TYPES], "%u %u %" PRIx64 " %x %u %" PRIu64 " %" PRIu64 "\n",
		e->id, e->name, e->addr, e->flags, e->kind, e->basicsize, e->itemsize);
	return FORWARD(log, type, e);
}

static int log_shape(struct snap_sink *sink, const struct snap_shape *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_SHAPES], "%u %u:", e->id, e->tail);
	for (uint32_t i = 0; i < e->nfixed; i++)
		fprintf(log->file[LOG_SHAPES], " %u/%u", e->fixed[i].kind,
			e->fixed[i].name);
	fputc('\n', log->file[LOG_SHAPES]);
	return FORWARD(log, shape, e);
}

static int log_object(struct snap_sink *sink, const struct snap_object *e)
{
	struct event_log *const log = log_of(sink);
	FILE *const f = log->file[LOG_OBJECTS];

	log->objects++;
	fprintf(f, "%" PRIx64 " %" PRIu64 " %" PRIu64 " %u %u %x:", e->addr, e->size,
		e->refcount, e->type, e->shape, e->flags);
	for (uint32_t i = 0; i < e->nrefs; i++)
		fprintf(f, " %" PRIx64, e->refs[i]);
	fputc('\n', f);
	return FORWARD(log, object, e);
}

static int log_value(struct snap_sink *sink, const struct snap_value *e)
{
	struct event_log *const log = log_of(sink);
	FILE *const f = log->file[LOG_OBJECTS];

	log->values++;
	fprintf(f, "=%" PRIx64 " %u %" PRIu64 " %" PRIx64, e->addr, e->kind, e->length,
		e->hash);
	put_text(f, e->text, e->size);
	fputc('\n', f);
	return FORWARD(log, value, e);
}

static int log_thread(struct snap_sink *sink, const struct snap_thread *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_THREADS], "%u %u %" PRIu64 " %" PRIx64 " %" PRIu64 " %x\n",
		e->id, e->name, e->native_id, e->ident, e->interpreter, e->flags);
	return FORWARD(log, thread, e);
}

static int log_frame(struct snap_sink *sink, const struct snap_frame *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_FRAMES], "%u %u %u %u %u %u %" PRIx64 " %" PRIx64 "\n",
		e->id, e->thread, e->depth, e->function, e->file, e->line, e->code,
		e->object);
	return FORWARD(log, frame, e);
}

static int log_root(struct snap_sink *sink, const struct snap_root *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_ROOTS], "%u %x %u %u %u %" PRIx64 "\n", e->kind, e->flags,
		e->thread, e->frame, e->name, e->target);
	return FORWARD(log, root, e);
}

static int log_map(struct snap_sink *sink, const struct snap_map *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_MAPS],
		"%" PRIx64 "-%" PRIx64 " %" PRIx64 " %u %u %u %" PRIu64 " %" PRIu64
		" %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		e->start, e->end, e->offset, e->name, e->class_, e->perms, e->rss, e->pss,
		e->private_dirty, e->anonymous, e->swap, e->live, e->object_bytes);
	return FORWARD(log, map, e);
}

static int log_buffer(struct snap_sink *sink, const struct snap_buffer *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_BUFFERS],
		"%" PRIx64 " %" PRIx64 " %" PRIu64 " %" PRIx64 " %u %x %" PRIu64
		" %" PRIu64 "\n",
		e->object, e->data, e->length, e->owner, e->source, e->flags, e->chunks,
		e->sharers);
	return FORWARD(log, buffer, e);
}

static int log_chunks(struct snap_sink *sink, const struct snap_chunks *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_CHUNKS],
		"%u %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIx64 "\n", e->name,
		e->holder, e->size, e->count, e->bytes, e->example);
	return FORWARD(log, chunks, e);
}

#define LOG_RUNS(name, list) \
	static int log_##name(struct snap_sink *sink, const struct snap_##name *e) \
	{ \
		struct event_log *const log = log_of(sink); \
		fprintf(log->file[list], "%" PRIx64 " %" PRIu64 "\n", e->start, \
			e->length); \
		return FORWARD(log, name, e); \
	}
LOG_RUNS(shared, LOG_SHARED)
LOG_RUNS(absent, LOG_ABSENT)

static int log_site(struct snap_sink *sink, const struct snap_site *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_SITES], "%u %u %u %u\n", e->id, e->caller, e->file,
		e->line);
	return FORWARD(log, site, e);
}

static int log_trace(struct snap_sink *sink, const struct snap_trace *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_TRACES], "%" PRIx64 " %" PRIu64 " %u %u\n", e->addr,
		e->size, e->site, e->domain);
	return FORWARD(log, trace, e);
}

static int log_line(struct snap_sink *sink, const struct snap_line *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_LINES], "%" PRIx64 " %u %u %u\n", e->object, e->call,
		e->file, e->line);
	return FORWARD(log, line, e);
}

static int log_check(struct snap_sink *sink, const struct snap_size_check *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_CHECKS],
		"%u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", e->type,
		e->checked, e->mismatched, e->ours, e->theirs);
	return FORWARD(log, size_check, e);
}

static int log_error(struct snap_sink *sink, const struct snap_error *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_ERRORS], "%" PRIx64 " %u %u\n", e->addr, e->type, e->text);
	return FORWARD(log, error, e);
}

static int log_progress(struct snap_sink *sink, const struct snap_progress *e)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_PROGRESS],
		"%u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", e->phase,
		e->objects, e->edges, e->done, e->estimate);
	return FORWARD(log, progress, e);
}

static int log_end(struct snap_sink *sink)
{
	struct event_log *const log = log_of(sink);

	fprintf(log->file[LOG_END], "end\n");
	return FORWARD(log, end);
}

static const struct snap_sink_ops log_ops = {
	.fact = log_fact,
	.string = log_string,
	.type = log_type,
	.shape = log_shape,
	.object = log_object,
	.value = log_value,
	.thread = log_thread,
	.frame = log_frame,
	.root = log_root,
	.map = log_map,
	.buffer = log_buffer,
	.chunks = log_chunks,
	.shared = log_shared,
	.absent = log_absent,
	.site = log_site,
	.trace = log_trace,
	.line = log_line,
	.size_check = log_check,
	.error = log_error,
	.progress = log_progress,
	.end = log_end,
};

void event_log_init(struct event_log *log, struct snap_sink *next)
{
	*log = (struct event_log){ .sink = { &log_ops }, .next = next };
	for (int i = 0; i < LOG_KINDS; i++) {
		log->file[i] = open_memstream(&log->text[i], &log->size[i]);
		assert_non_null(log->file[i]);
	}
}

void event_log_flush(struct event_log *log)
{
	for (int i = 0; i < LOG_KINDS; i++)
		fflush(log->file[i]);
}

void event_log_free(struct event_log *log)
{
	for (int i = 0; i < LOG_KINDS; i++) {
		fclose(log->file[i]);
		free(log->text[i]);
	}
}

void event_logs_equal(struct event_log *a, struct event_log *b)
{
	event_log_flush(a);
	event_log_flush(b);
	for (int i = 0; i < LOG_KINDS; i++) {
		if (a->size[i] == b->size[i] &&
		    memcmp(a->text[i], b->text[i], a->size[i]) == 0)
			continue;
		size_t at = 0;

		while (at < a->size[i] && at < b->size[i] &&
		       a->text[i][at] == b->text[i][at])
			at++;
		fail_msg("log %d differs at byte %zu of %zu / %zu:\n%.80s\n%.80s", i, at,
			 a->size[i], b->size[i], a->text[i] + (at < 40 ? 0 : at - 40),
			 b->text[i] + (at < 40 ? 0 : at - 40));
	}
}

static struct snap_sink *log_begin(void *arg, uint32_t ordinal)
{
	(void)ordinal;
	return &((struct event_log *)arg)->sink;
}

static int log_finish(void *arg, uint32_t ordinal, int complete,
		      const struct snap_problem *problem)
{
	struct event_log *const log = arg;

	(void)ordinal;
	log->finished++;
	log->complete = complete;
	if (problem)
		log->problem = *problem;
	return 0;
}

const struct snap_parser_ops event_log_ops = { .begin = log_begin, .finish = log_finish };

/* ---- random events ---- */

uint64_t random_next(struct random *r)
{
	/* splitmix64 (Steele, Lea, Flood 2014) */
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint64_t random_below(struct random *r, uint64_t n)
{
	return random_next(r) % n;
}

/* Mostly small, now and then of any size up to 64 bits. */
static uint64_t any_number(struct random *r)
{
	return random_next(r) >> random_below(r, 64);
}

struct producer {
	struct random random;
	struct snap_sink *sink;
	const struct random_options *options;
	uint32_t strings, types, shapes, threads, frames, sites;
	uint64_t *refs;
	char text[300];
	int err;
};

#define SEND(p, event, ...) \
	((p)->err = (p)->err ? (p)->err : (p)->sink->ops->event((p)->sink, ##__VA_ARGS__))

static uint32_t any_id(struct producer *p, uint32_t count)
{
	return (uint32_t)random_below(&p->random, (uint64_t)count + 1);
}

static uint64_t any_addr(struct producer *p)
{
	const uint64_t kind = random_below(&p->random, 20);

	if (kind == 0)
		return random_next(&p->random);
	if (kind == 1)
		return 0x7f0000000000 + random_below(&p->random, 1 << 30);
	return 0x7f0000000000 + (random_below(&p->random, 1 << 20) << 4);
}

static size_t any_text(struct producer *p)
{
	const size_t size = random_below(&p->random, sizeof(p->text));

	for (size_t i = 0; i < size; i++)
		p->text[i] = (char)random_next(&p->random);
	return size;
}

static void send_string(struct producer *p)
{
	const size_t size = any_text(p);

	SEND(p, string, ++p->strings, p->text, size);
}

static void send_type(struct producer *p)
{
	struct snap_type type = {
		.id = ++p->types,
		.name = any_id(p, p->strings),
		.addr = any_addr(p),
		.flags = (uint32_t)random_below(&p->random, 128),
		.kind = (uint8_t)random_below(&p->random, SNAP_KIND_COUNT),
		.basicsize = any_number(&p->random),
		.itemsize = any_number(&p->random),
	};

	SEND(p, type, &type);
}

static void send_shape(struct producer *p)
{
	struct snap_label labels[40];
	struct snap_shape shape = {
		.id = ++p->shapes,
		.nfixed = (uint32_t)random_below(&p->random, 40),
		.fixed = labels,
		.tail = (uint8_t)random_below(&p->random, SNAP_TAIL_COUNT),
	};

	for (uint32_t i = 0; i < shape.nfixed; i++)
		labels[i] = (struct snap_label){
			(uint8_t)random_below(&p->random, SNAP_LABEL_KIND_COUNT),
			any_id(p, p->strings),
		};
	SEND(p, shape, &shape);
}

static struct snap_value any_value(struct producer *p, uint64_t addr)
{
	return (struct snap_value){
		.addr = addr,
		.kind = (uint8_t)(1 + random_below(&p->random, 6)),
		.length = any_number(&p->random),
		.hash = random_below(&p->random, 2) ? random_next(&p->random) : 0,
		.size = (uint32_t)any_text(p),
		.text = p->text,
	};
}

/* With its value; as two events or, some of them, as one to who takes that. */
static void send_object(struct producer *p, uint32_t nrefs)
{
	struct snap_object o = {
		.addr = any_addr(p),
		.size = any_number(&p->random),
		.refcount = any_number(&p->random),
		.type = 1 + any_id(p, p->types - 1),
		.shape = any_id(p, p->shapes),
		.flags = (uint32_t)(random_below(&p->random, 20) ?
					    1 :
					    random_next(&p->random)),
		.nrefs = nrefs,
		.refs = p->refs,
	};
	struct snap_value v = { .kind = 0 };

	for (uint32_t i = 0; i < nrefs; i++)
		p->refs[i] = random_below(&p->random, 10) ? any_addr(p) : 0;
	if (!p->options->no_values && random_below(&p->random, 2))
		v = any_value(p, o.addr);
	if (p->sink->ops->whole && o.addr & 16)
		SEND(p, whole, &o, v.kind ? &v : NULL);
	else if (SEND(p, object, &o) == 0 && v.kind)
		SEND(p, value, &v);
}

static void send_fact(struct producer *p, const char *key)
{
	struct snap_fact fact = {
		.key = key,
		.kind = (uint8_t)random_below(&p->random, 2),
		.text = p->text,
		.u64 = any_number(&p->random),
		.size = any_text(p),
	};

	SEND(p, fact, &fact);
}

static void send_threads(struct producer *p)
{
	for (int i = 0; i < 3; i++) {
		struct snap_thread thread = {
			.id = ++p->threads,
			.name = any_id(p, p->strings),
			.native_id = any_number(&p->random),
			.ident = any_addr(p),
			.interpreter = any_number(&p->random),
			.flags = (uint32_t)i,
		};

		SEND(p, thread, &thread);
	}
	for (uint32_t i = 0; i < 10; i++) {
		struct snap_frame frame = {
			.id = ++p->frames,
			.thread = any_id(p, p->threads),
			.depth = i,
			.function = any_id(p, p->strings),
			.file = any_id(p, p->strings),
			.line = (uint32_t)any_number(&p->random),
			.code = any_addr(p),
			.object = any_addr(p),
		};

		SEND(p, frame, &frame);
	}
}

static void send_root(struct producer *p)
{
	struct snap_root root = {
		.kind = (uint8_t)random_below(&p->random, SNAP_ROOT_KIND_COUNT),
		.flags = (uint8_t)random_below(&p->random, 4),
		.thread = any_id(p, p->threads),
		.frame = any_id(p, p->frames),
		.name = any_id(p, p->strings),
		.target = any_addr(p),
	};

	SEND(p, root, &root);
}

static void send_map(struct producer *p)
{
	struct random *const r = &p->random;
	struct snap_map map = {
		.start = any_addr(p),
		.end = any_addr(p),
		.offset = any_number(r),
		.name = any_id(p, p->strings),
		.class_ = (uint8_t)random_below(r, 7),
		.perms = (uint8_t)random_below(r, 16),
		.rss = any_number(r),
		.pss = any_number(r),
		.private_dirty = any_number(r),
		.anonymous = any_number(r),
		.swap = any_number(r),
		.live = any_number(r),
		.object_bytes = any_number(r),
	};

	SEND(p, map, &map);
}

static void send_traces(struct producer *p)
{
	struct random *const r = &p->random;
	const struct snap_site site = {
		.id = p->sites + 1,
		.caller = any_id(p, p->sites),
		.file = any_id(p, p->strings),
		.line = (uint32_t)any_number(r),
	};
	const struct snap_trace trace = {
		.addr = any_addr(p),
		.size = any_number(r),
		.site = any_id(p, p->sites + 1),
		.domain = (uint32_t)any_number(r),
	};
	const struct snap_line line = { any_addr(p), (uint32_t)any_number(r),
					any_id(p, p->strings), 12 };

	SEND(p, site, &site);
	p->sites++;
	SEND(p, trace, &trace);
	SEND(p, line, &line);
}

static void send_rest(struct producer *p)
{
	struct random *const r = &p->random;
	struct snap_buffer buffer = {
		.object = any_addr(p),
		.data = any_addr(p),
		.length = any_number(r),
		.owner = any_addr(p),
		.source = any_id(p, p->strings),
		.flags = (uint32_t)random_below(r, 16),
		.chunks = any_number(r),
		.sharers = any_number(r),
	};
	struct snap_chunks chunks = { .name = any_id(p, p->strings),
				      .holder = any_id(p, p->strings),
				      .size = any_number(r),
				      .count = any_number(r),
				      .bytes = any_number(r),
				      .example = any_addr(p) };
	struct snap_shared shared = { .start = any_addr(p), .length = any_number(r) };
	struct snap_absent absent = { .start = any_addr(p), .length = any_number(r) };
	struct snap_size_check check = { .type = any_id(p, p->types),
					 .checked = any_number(r),
					 .mismatched = any_number(r),
					 .ours = any_number(r),
					 .theirs = any_number(r) };
	struct snap_error error = { .addr = any_addr(p),
				    .type = any_id(p, p->types),
				    .text = any_id(p, p->strings) };

	SEND(p, buffer, &buffer);
	SEND(p, chunks, &chunks);
	SEND(p, shared, &shared);
	SEND(p, absent, &absent);
	send_traces(p);
	SEND(p, size_check, &check);
	SEND(p, error, &error);
}

static void send_progress(struct producer *p)
{
	struct snap_progress progress = {
		.phase = any_id(p, p->strings),
		.objects = any_number(&p->random),
		.edges = any_number(&p->random),
		.done = any_number(&p->random),
		.estimate = any_number(&p->random),
	};

	SEND(p, progress, &progress);
}

int random_events(struct snap_sink *sink, const struct random_options *options)
{
	const uint32_t most = options->long_refs > options->max_refs ?
		options->long_refs :
		options->max_refs;
	struct producer p = {
		.random = { options->seed },
		.sink = sink,
		.options = options,
		.refs = calloc((size_t)most + 1, sizeof(uint64_t)),
	};

	assert_non_null(p.refs);
	send_fact(&p, "pid");
	send_string(&p);
	send_type(&p);
	for (uint32_t i = 0; i < options->objects && p.err == 0; i++) {
		const uint64_t what = random_below(&p.random, 200);

		if (what < 20)
			send_string(&p);
		else if (what < 24)
			send_type(&p);
		else if (what < 28)
			send_shape(&p);
		else if (what < 29)
			send_progress(&p);
		if (options->long_refs && i == options->objects / 2)
			send_object(&p, options->long_refs);
		send_object(&p, (uint32_t)random_below(&p.random, options->max_refs + 1));
	}
	send_threads(&p);
	for (int i = 0; i < 20; i++)
		send_root(&p);
	for (int i = 0; i < 5; i++) {
		send_map(&p);
		send_rest(&p);
	}
	send_fact(&p, "walk_ns");
	SEND(&p, end);
	free(p.refs);
	return p.err;
}

void random_snapshot(struct bytes *out, const struct random_options *options,
		     struct event_log *log)
{
	const size_t size = snap_writer_memory();
	void *const mem = aligned_alloc(64, (size + 63) & ~(size_t)63);
	struct snap_writer *writer;
	int err = 0;

	assert_non_null(mem);
	writer = snap_writer_init(mem, size, bytes_append, out, &err);
	assert_non_null(writer);
	if (log)
		event_log_init(log, snap_writer_sink(writer));
	err = random_events(log ? &log->sink : snap_writer_sink(writer), options);
	assert_int_equal(err, 0);
	free(mem);
}
