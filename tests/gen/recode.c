/* SPDX-License-Identifier: MIT */
/*
 * pymem-recode - how fast and how small: decodes a snapshot into memory, then encodes the
 * same events again and again.  Works on real captures and on pymem-gen's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "formats/core/reader.h"
#include "formats/core/writer.h"

/* The objects and values of a process in order; definitions go straight to the writer. */
struct recording {
	struct snap_sink sink;
	struct snap_object *objects;
	size_t count, capacity;
	uint64_t *refs; /* of all objects */
	size_t nrefs, refs_capacity;
	struct snap_value *values; /* in the order of the objects */
	size_t nvalues, values_capacity;
	char *text;
	size_t text_size, text_capacity;
	uint32_t types, shapes;
};

static void *grow(void *array, size_t *capacity, size_t want, size_t size)
{
	if (want <= *capacity)
		return array;
	*capacity = want * 2;
	array = realloc(array, *capacity * size);
	if (!array)
		abort();
	return array;
}

static int keep_object(struct snap_sink *sink, const struct snap_object *o)
{
	struct recording *const r = (struct recording *)sink;

	r->objects = grow(r->objects, &r->capacity, r->count + 1, sizeof(*o));
	r->refs = grow(r->refs, &r->refs_capacity, r->nrefs + o->nrefs, sizeof(*r->refs));
	r->objects[r->count] = *o;
	if (o->nrefs)
		memcpy(r->refs + r->nrefs, o->refs, o->nrefs * sizeof(*r->refs));
	r->nrefs += o->nrefs;
	r->count++;
	return 0;
}

static int keep_value(struct snap_sink *sink, const struct snap_value *v)
{
	struct recording *const r = (struct recording *)sink;

	r->values = grow(r->values, &r->values_capacity, r->nvalues + 1, sizeof(*v));
	r->text = grow(r->text, &r->text_capacity, r->text_size + v->size, 1);
	r->values[r->nvalues++] = *v;
	memcpy(r->text + r->text_size, v->text, v->size);
	r->text_size += v->size;
	return 0;
}

static int keep_type(struct snap_sink *sink, const struct snap_type *type)
{
	((struct recording *)sink)->types = type->id;
	return 0;
}

static int keep_shape(struct snap_sink *sink, const struct snap_shape *shape)
{
	((struct recording *)sink)->shapes = shape->id;
	return 0;
}

static struct snap_sink *begin(void *arg, uint32_t ordinal)
{
	(void)ordinal;
	return arg;
}

static int count_bytes(void *arg, const void *data, size_t size)
{
	(void)data;
	*(uint64_t *)arg += size;
	return 0;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Pointers instead of positions, now that the arrays do not move any more. */
static void link_up(struct recording *r)
{
	const uint64_t *refs = r->refs;
	const char *text = r->text;

	for (size_t i = 0; i < r->count; i++) {
		r->objects[i].refs = refs;
		refs += r->objects[i].nrefs;
	}
	for (size_t i = 0; i < r->nvalues; i++) {
		r->values[i].text = text;
		text += r->values[i].size;
	}
}

static int encode(const struct recording *r, bool values, void *memory, uint64_t *bytes)
{
	int err = 0;
	struct snap_writer *const w =
		snap_writer_init(memory, snap_writer_memory(), count_bytes, bytes, &err);
	struct snap_sink *const sink = w ? snap_writer_sink(w) : NULL;
	const struct snap_value *v = r->values,
				*const end = v + (values ? r->nvalues : 0);

	for (uint32_t i = 1; i <= r->types && err == 0; i++)
		err = sink->ops->type(sink, &(struct snap_type){ .id = i });
	for (uint32_t i = 1; i <= r->shapes && err == 0; i++)
		err = sink->ops->shape(sink, &(struct snap_shape){ .id = i });
	for (size_t i = 0; i < r->count && err == 0; i++) {
		err = sink->ops->object(sink, &r->objects[i]);
		if (v < end && v->addr == r->objects[i].addr)
			err = err ? err : sink->ops->value(sink, v++);
	}
	return err ? err : sink->ops->end(sink);
}

static int run(const struct recording *r, bool values)
{
	void *const memory = aligned_alloc(64, (snap_writer_memory() + 63) & ~(size_t)63);
	double best = 1e9;
	uint64_t bytes = 0;

	for (int i = 0; i < 7; i++) {
		const double start = now();

		bytes = 0;
		if (!memory || encode(r, values, memory, &bytes) != 0)
			return 1;
		const double took = now() - start;

		best = took < best ? took : best;
	}
	printf("encode %-8s %6.1f ns/object  %5.2f bytes/object\n",
	       values ? "values" : "", best * 1e9 / (double)r->count,
	       (double)bytes / (double)r->count);
	free(memory);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct snap_sink_ops ops = {
		.object = keep_object,
		.value = keep_value,
		.type = keep_type,
		.shape = keep_shape,
	};
	static const struct snap_sink_ops nothing;
	static const struct snap_parser_ops parser_ops = { .begin = begin };
	struct recording r = { .sink = { &ops } };
	struct snap_problem problem = { 0 };
	struct snap_sink deaf = { &nothing };
	const int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || snap_read_fd(fd, NULL, &parser_ops, &r, &problem) != 0 ||
	    r.count == 0) {
		fprintf(stderr, "usage: pymem-recode FILE (of one process)\n%s\n",
			problem.text);
		return 2;
	}
	link_up(&r);
	lseek(fd, 0, SEEK_SET);
	const double start = now();

	if (snap_read_fd(fd, NULL, &parser_ops, &deaf, &problem) != 0)
		return 1;
	printf("%zu objects, %zu references, %zu values\n", r.count, r.nrefs, r.nvalues);
	printf("decode (without values) %6.1f ns/object\n",
	       (now() - start) * 1e9 / (double)r.count);
	return run(&r, false) || run(&r, true);
}
