/* SPDX-License-Identifier: MIT */
/*
 * fuzz_reader - any bytes into the reader; every byte of every event is looked at, and
 * the promises of sink.h are checked: ids dense and defined before use.
 */
#include "forge.h"
#include "formats/core/reader.h"

struct consumer {
	struct snap_sink sink;
	uint32_t strings, types, shapes, threads, frames, sites;
	uint64_t object, sum;
	int open, ended;
};

static struct consumer *of(struct snap_sink *sink)
{
	return (struct consumer *)sink;
}

static void look(struct consumer *c, const void *data, size_t size)
{
	const unsigned char *const p = data;

	for (size_t i = 0; i < size; i++)
		c->sum = c->sum * 31 + p[i];
}

static int fact(struct snap_sink *s, const struct snap_fact *e)
{
	look(of(s), e->key, strlen(e->key) + 1);
	fuzz_expect(e->kind <= SNAP_FACT_TEXT);
	if (e->kind == SNAP_FACT_TEXT)
		look(of(s), e->text, e->size);
	return 0;
}

static int string(struct snap_sink *s, uint32_t id, const char *text, size_t size)
{
	fuzz_expect(id == ++of(s)->strings);
	look(of(s), text, size);
	return 0;
}

static int type(struct snap_sink *s, const struct snap_type *e)
{
	fuzz_expect(e->id == ++of(s)->types && e->name <= of(s)->strings &&
		    e->kind < SNAP_KIND_COUNT);
	look(of(s), e, sizeof(*e));
	return 0;
}

static int shape(struct snap_sink *s, const struct snap_shape *e)
{
	fuzz_expect(e->id == ++of(s)->shapes && e->tail < SNAP_TAIL_COUNT);
	for (uint32_t i = 0; i < e->nfixed; i++)
		fuzz_expect(e->fixed[i].name <= of(s)->strings &&
			    e->fixed[i].kind < SNAP_LABEL_KIND_COUNT);
	return 0;
}

static int object(struct snap_sink *s, const struct snap_object *e)
{
	fuzz_expect(e->type > 0 && e->type <= of(s)->types && e->shape <= of(s)->shapes);
	if (e->nrefs > 0)
		look(of(s), e->refs, e->nrefs * sizeof(*e->refs));
	of(s)->object = e->addr;
	return 0;
}

static int value(struct snap_sink *s, const struct snap_value *e)
{
	fuzz_expect(e->addr == of(s)->object && e->kind >= SNAP_VALUE_STR &&
		    e->kind <= SNAP_VALUE_NAME);
	look(of(s), e->text, e->size);
	return 0;
}

static int thread(struct snap_sink *s, const struct snap_thread *e)
{
	fuzz_expect(e->id == ++of(s)->threads && e->name <= of(s)->strings);
	return 0;
}

static int frame(struct snap_sink *s, const struct snap_frame *e)
{
	fuzz_expect(e->id == ++of(s)->frames && e->thread <= of(s)->threads &&
		    e->function <= of(s)->strings && e->file <= of(s)->strings);
	return 0;
}

static int root(struct snap_sink *s, const struct snap_root *e)
{
	fuzz_expect(e->name <= of(s)->strings && e->thread <= of(s)->threads &&
		    e->frame <= of(s)->frames && e->kind < SNAP_ROOT_KIND_COUNT);
	return 0;
}

static int map(struct snap_sink *s, const struct snap_map *e)
{
	fuzz_expect(e->name <= of(s)->strings && e->class_ <= SNAP_MAP_AGENT);
	return 0;
}

static int buffer(struct snap_sink *s, const struct snap_buffer *e)
{
	fuzz_expect(e->source <= of(s)->strings);
	return 0;
}

static int chunks(struct snap_sink *s, const struct snap_chunks *e)
{
	fuzz_expect(e->name <= of(s)->strings && e->holder <= of(s)->strings);
	return 0;
}

static int shared(struct snap_sink *s, const struct snap_shared *e)
{
	(void)s;
	(void)e;
	return 0;
}

static int absent(struct snap_sink *s, const struct snap_absent *e)
{
	(void)s;
	(void)e;
	return 0;
}

static int site(struct snap_sink *s, const struct snap_site *e)
{
	fuzz_expect(e->id == of(s)->sites + 1 && e->caller < e->id &&
		    e->file <= of(s)->strings);
	of(s)->sites++;
	return 0;
}

static int trace(struct snap_sink *s, const struct snap_trace *e)
{
	fuzz_expect(e->site <= of(s)->sites);
	return 0;
}

static int line(struct snap_sink *s, const struct snap_line *e)
{
	fuzz_expect(e->file <= of(s)->strings);
	return 0;
}

static int size_check(struct snap_sink *s, const struct snap_size_check *e)
{
	fuzz_expect(e->type <= of(s)->types);
	return 0;
}

static int error(struct snap_sink *s, const struct snap_error *e)
{
	fuzz_expect(e->type <= of(s)->types && e->text <= of(s)->strings);
	return 0;
}

static int progress(struct snap_sink *s, const struct snap_progress *e)
{
	fuzz_expect(e->phase <= of(s)->strings);
	return 0;
}

static int end(struct snap_sink *s)
{
	fuzz_expect(!of(s)->ended);
	of(s)->ended = 1;
	return 0;
}

static const struct snap_sink_ops ops = {
	.fact = fact,
	.string = string,
	.type = type,
	.shape = shape,
	.object = object,
	.value = value,
	.thread = thread,
	.frame = frame,
	.root = root,
	.map = map,
	.buffer = buffer,
	.chunks = chunks,
	.shared = shared,
	.absent = absent,
	.site = site,
	.trace = trace,
	.line = line,
	.size_check = size_check,
	.error = error,
	.progress = progress,
	.end = end,
};

static struct snap_sink *begin(void *arg, uint32_t ordinal)
{
	struct consumer *const c = arg;

	(void)ordinal;
	fuzz_expect(!c->open);
	*c = (struct consumer){ .sink = { &ops }, .open = 1 };
	return &c->sink;
}

static int finish(void *arg, uint32_t ordinal, int complete,
		  const struct snap_problem *problem)
{
	struct consumer *const c = arg;

	(void)ordinal;
	fuzz_expect(c->open && complete == c->ended && (complete || problem));
	if (problem)
		fuzz_expect(problem->code != SNAP_OK && problem->text[0] != '\0');
	c->open = 0;
	return 0;
}

/* In pieces whose sizes come from the data, so that every split is tried. */
static void feed(const uint8_t *data, size_t size, int strict)
{
	static const struct snap_parser_ops parser_ops = { begin, finish };
	const struct snap_parser_options options = {
		.max_block = 1 << 20,
		.max_objects = 100000,
		.max_refs = 100000,
		.strict = strict,
	};
	struct snap_problem problem = { 0 };
	struct consumer consumer = { 0 };
	struct snap_parser *const p =
		snap_parser_create(&options, &parser_ops, &consumer);
	int result = p ? 0 : -1;

	for (size_t at = 0; at < size && result == 0;) {
		const size_t n = strict ? size : 1 + data[at] * 5u;
		const size_t piece = n < size - at ? n : size - at;

		result = snap_parser_feed(p, data + at, piece, &problem);
		at += piece;
	}
	if (p && result == 0)
		result = snap_parser_finish(p, &problem);
	fuzz_expect(!consumer.open);
	fuzz_expect(!p || result == 0 || problem.code != SNAP_OK);
	snap_parser_destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t made;
	uint8_t *const input = forge_input(data, size, &made);

	if (!input)
		return 0;
	feed(input, made, 0);
	feed(input, made, 1);
	free(input);
	return 0;
}
