/* SPDX-License-Identifier: MIT */
/* image - see image.h. */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "agent/heap/core/types.h"
#include "agent/heap/frames/frames.h"
#include "agent/heap/walk.h"

enum { IMAGE_LINE = 1 << 16, IMAGE_FIELDS = 8, IMAGE_SIZE = 1 << 26 };

#define ROW(field, symbol, from, to, need) \
	{ symbol, offsetof(struct cpython_symbols, field), from, to },
#define X(field, ...) ROW(field, __VA_ARGS__)
static const struct image_symbol {
	const char *name;
	size_t offset;
	unsigned since, until;
} image_symbols[] = { CPYTHON_SYMBOLS(X) };
#undef X
#undef ROW

static void image_fail(const char *path, const char *why)
{
	fprintf(stderr, "%s: %s\n", path, why);
	exit(2);
}

static uint64_t image_hex(const char *text)
{
	return strtoull(text, NULL, 16);
}

int image_line(const char **at, const char *word, char *buf, size_t size, char **fields,
	       int max)
{
	const size_t n = strlen(word);
	int count = 0;

	while (**at) {
		const char *line = *at, *end = strchr(line, '\n');
		char *rest;

		*at = end ? end + 1 : line + strlen(line);
		if (!end || strncmp(line, word, n) || line[n] != ' ' ||
		    (size_t)(end - line) >= size)
			continue;
		memcpy(buf, line, (size_t)(end - line));
		buf[end - line] = 0;
		rest = buf + n + 1;
		while (count < max && (fields[count] = strsep(&rest, " ")))
			count++;
		if (count < max)
			fields[count] = NULL;
		return count;
	}
	return -1;
}

/* ---- the description ---- */

static void image_take_symbol(struct image *image, const char *name, uint64_t addr)
{
	const unsigned minor = image->py.version >> 8;

	for (size_t i = 0; i < sizeof(image_symbols) / sizeof(*image_symbols); i++) {
		const struct image_symbol *row = &image_symbols[i];
		void *p = (void *)(uintptr_t)addr;

		if (!strcmp(row->name, name) && minor >= row->since && minor < row->until)
			memcpy((char *)&image->py.sym + row->offset, &p, sizeof(p));
	}
}

static void image_take_version(struct image *image, const char *text)
{
	unsigned major = 0, minor = 0, micro = 0;

	sscanf(text, "%u.%u.%u", &major, &minor, &micro);
	image->py.version = major << 16 | minor << 8 | micro;
	snprintf(image->py.version_text, sizeof(image->py.version_text), "%s", text);
}

static void image_take_states(struct image *image)
{
	struct interpreters_image *interps = &image->interps;
	char buf[256], *fields[IMAGE_FIELDS];

	for (const char *at = image->text;
	     image_line(&at, "interp", buf, sizeof(buf), fields, 1) == 1;)
		interps->interps[interps->count++] = image_hex(fields[0]);
	for (const char *at = image->text;
	     image_line(&at, "thread", buf, sizeof(buf), fields, 1) == 1;)
		interps->threads[interps->nthreads++] = image_hex(fields[0]);
	interps->main = interps->interps[0];
	image->py.image = interps;
}

static void image_take_objects(struct image *image)
{
	static char buf[IMAGE_LINE];
	char *fields[IMAGE_FIELDS];

	for (const char *at = image->text; image->nobjects < IMAGE_OBJECTS &&
	     image_line(&at, "object", buf, sizeof(buf), fields, 1) == 1;)
		image->objects[image->nobjects++] = image_hex(fields[0]);
}

static void image_take_maps(struct image *image)
{
	char buf[256], *fields[IMAGE_FIELDS];
	size_t used = 0;

	for (const char *at = image->text;
	     image_line(&at, "map", buf, sizeof(buf), fields, 5) >= 4;)
		used += (size_t)snprintf(image->maps + used, sizeof(image->maps) - used,
					 "%s-%s %s %s 00:00 0 %s\n", fields[0], fields[1],
					 fields[2], fields[3],
					 fields[4] ? fields[4] : "");
}

static void image_take_segments(struct image *image)
{
	char buf[256], *fields[IMAGE_FIELDS];
	uint64_t end = 0;

	for (const char *at = image->text; image->nsegments < IMAGE_SEGMENTS &&
	     image_line(&at, "segment", buf, sizeof(buf), fields, 2) == 2;) {
		struct peek_segment *segment = &image->segments[image->nsegments++];

		segment->start = end + image_hex(fields[0]) * IMAGE_GRAIN;
		segment->size = image_hex(fields[1]) * IMAGE_GRAIN;
		end = segment->start + segment->size;
	}
}

/* The segments' bytes as they were. */
static unsigned char *image_unpack(const char *path, const unsigned char *packed,
				   size_t size, const struct image *image)
{
	size_t words = 0, at;
	uint64_t *bytes;

	for (uint32_t i = 0; i < image->nsegments; i++)
		words += image->segments[i].size / sizeof(*bytes);
	at = words / 8 + 1;
	bytes = calloc(words + 1, sizeof(*bytes));
	if (!bytes || at > size)
		image_fail(path, "can't be unpacked");
	for (size_t i = 0; i < words; i++) {
		if (!(packed[i / 8] >> i % 8 & 1))
			continue;
		if (size - at < sizeof(*bytes))
			image_fail(path, "ends too soon");
		memcpy(&bytes[i], packed + at, sizeof(*bytes));
		at += sizeof(*bytes);
	}
	return (unsigned char *)bytes;
}

struct image *image_described(char *text)
{
	struct image *image = calloc(1, sizeof(*image));
	char buf[256], *fields[IMAGE_FIELDS];
	const char *at = text;

	if (!image)
		image_fail("image", "no memory");
	image->text = text;
	if (image_line(&at, "python", buf, sizeof(buf), fields, 1) != 1)
		image_fail("image", "the description lacks a version");
	image_take_version(image, fields[0]);
	for (at = text; image_line(&at, "symbol", buf, sizeof(buf), fields, 2) == 2;)
		image_take_symbol(image, fields[0], image_hex(fields[1]));
	image_take_states(image);
	image_take_objects(image);
	image_take_maps(image);
	return image;
}

struct image *image_read(const char *path)
{
	static const char mark[] = "\nbytes\n";
	FILE *f = fopen(path, "rbe");
	char *packed = malloc(IMAGE_SIZE), *plain = malloc(IMAGE_SIZE + 1), *end;
	const unsigned char *bytes;
	struct image *image;
	size_t size;

	if (!f || !packed || !plain)
		image_fail(path, "can't be read");
	size = fread(packed, 1, IMAGE_SIZE, f);
	fclose(f);
	size = ZSTD_decompress(plain, IMAGE_SIZE, packed, size);
	free(packed);
	if (ZSTD_isError(size))
		image_fail(path, "is no zstd file");
	plain[size] = 0;
	end = memmem(plain, size, mark, strlen(mark));
	if (!end)
		image_fail(path, "is no image");
	end[1] = 0;
	image = image_described(plain);
	image_take_segments(image);
	end += strlen(mark);
	image->bytes = image_unpack(path, (unsigned char *)end,
				    size - (size_t)(end - plain), image);
	bytes = image->bytes;
	for (uint32_t i = 0; i < image->nsegments; bytes += image->segments[i++].size)
		image->segments[i].bytes = bytes;
	return image;
}

/* ---- the walk ---- */

static void image_walk_parts(struct image *image, struct walk *w)
{
	for (uint32_t i = 0; i < image->nobjects && !w->err; i++) {
		struct walk_type *type = types_of(w, image->objects[i]);

		type->emit(w, type, image->objects[i]);
	}
	if (!frames_begin(w))
		return;
	for (uint32_t i = 0; i < image->interps.nthreads && !w->err; i++)
		frames_thread(w, image->interps.threads[i], 1);
}

int image_walk(struct image *image, struct snap_sink *sink, char *err, size_t err_size)
{
	const struct walk_options options = { .values = true,
					      .in_copy = true,
					      .sample_limit = 1,
					      .maps = image->maps,
					      .maps_size = strlen(image->maps),
					      .maps_first = true };
	struct walk *w = calloc(1, sizeof(*w));
	struct arena arena;
	int rc = w ? cpython_probe(&image->py, err, err_size) : -ENOMEM;

	arena_init(&arena, 0);
	if (!rc)
		rc = walk_begin(w, &image->py, &arena, &options, sink);
	if (!rc) {
		image_walk_parts(image, w);
		rc = w->err;
	}
	arena_release(&arena);
	free(w);
	return rc;
}
