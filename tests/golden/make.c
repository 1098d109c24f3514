/* SPDX-License-Identifier: MIT */
/*
 * make - writes the golden snapshots of the current format version into a folder.
 *
 * Run by hand when a new version is released; files of earlier versions are never made
 * again: that old files are still read is what they are for.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/core/index.h"
#include "formats/core/writer.h"

struct out {
	FILE *file;
	struct snap_indexer *indexer;
	void *memory;
	struct snap_sink *sink;
	uint32_t strings;
};

static int write_bytes(void *arg, const void *data, size_t size)
{
	struct out *const out = arg;

	fwrite(data, 1, size, out->file);
	return snap_indexer_feed(out->indexer, data, size);
}

static void check(int err)
{
	if (err) {
		fprintf(stderr, "make: %s\n", strerror(-err));
		exit(1);
	}
}

static void begin(struct out *out, FILE *file)
{
	struct snap_writer *w;
	int err = 0;

	*out = (struct out){ .file = file,
			     .indexer = snap_indexer_create(),
			     .memory = aligned_alloc(
				     64, (snap_writer_memory() + 63) & ~63ul) };
	w = snap_writer_init(out->memory, snap_writer_memory(), write_bytes, out, &err);
	check(err);
	out->sink = snap_writer_sink(w);
}

static void finish(struct out *out)
{
	void *data;
	size_t size;

	check(snap_indexer_finish(out->indexer, &data, &size));
	fwrite(data, 1, size, out->file);
	free(data);
	snap_indexer_destroy(out->indexer);
	free(out->memory);
}

#define SEND(out, event, ...) check((out)->sink->ops->event((out)->sink, ##__VA_ARGS__))

static uint32_t string_bytes(struct out *out, const char *text, size_t size)
{
	SEND(out, string, ++out->strings, text, size);
	return out->strings;
}

static uint32_t string(struct out *out, const char *text)
{
	return string_bytes(out, text, strlen(text));
}

static void facts(struct out *out, uint64_t pid)
{
	SEND(out, fact, &(struct snap_fact){ .key = "pid", .u64 = pid });
	SEND(out, fact,
	     &(struct snap_fact){ .key = "python.version",
				  .kind = SNAP_FACT_TEXT,
				  .text = "3.11.7",
				  .size = 6 });
	SEND(out, fact,
	     &(struct snap_fact){ .key = "command",
				  .kind = SNAP_FACT_TEXT,
				  .text = "caf\xc3\xa9 \xff\"\\\n",
				  .size = 10 });
	SEND(out, fact, &(struct snap_fact){ .key = "absent.known", .u64 = 1 });
	SEND(out, fact, &(struct snap_fact){ .key = "walk_ns", .u64 = 1 });
	SEND(out, fact, &(struct snap_fact){ .key = "walk_ns", .u64 = UINT64_MAX });
}

static void type(struct out *out, uint32_t id, const char *name, uint8_t kind,
		 uint32_t flags)
{
	SEND(out, type,
	     &(struct snap_type){ .id = id,
				  .name = string(out, name),
				  .addr = 0x555500000000 + id * 0x400,
				  .flags = flags,
				  .kind = kind,
				  .basicsize = 16 + id,
				  .itemsize = id % 3 });
}

enum { OBJECT = 1, STR, BYTES, INT, FLOAT, BOOL, NONE, DICT, TUPLE, OWNED };

static void types(struct out *out)
{
	type(out, OBJECT, "builtins.object", SNAP_KIND_OBJECT, 0);
	type(out, STR, "builtins.str", SNAP_KIND_STR, 0);
	type(out, BYTES, "builtins.bytes", SNAP_KIND_BYTES, 0);
	type(out, INT, "builtins.int", SNAP_KIND_INT, 0);
	type(out, FLOAT, "builtins.float", SNAP_KIND_FLOAT, 0);
	type(out, BOOL, "builtins.bool", SNAP_KIND_BOOL, 0);
	type(out, NONE, "builtins.NoneType", SNAP_KIND_NONE, 0);
	type(out, DICT, "builtins.dict", SNAP_KIND_DICT, SNAP_TYPE_GC);
	type(out, TUPLE, "builtins.tuple", SNAP_KIND_TUPLE, SNAP_TYPE_GC);
	type(out, OWNED, "__main__.K\xc3\xa4se", SNAP_KIND_OBJECT, 127);
}

/* A shape with a fixed label of every kind, and one of every tail with two fixed ones. */
static void shapes(struct out *out)
{
	struct snap_label labels[SNAP_LABEL_KIND_COUNT];

	for (uint8_t i = 0; i < SNAP_LABEL_KIND_COUNT; i++)
		labels[i] = (struct snap_label){ i,
						 i % 3 == 1 ? string(out, "n\xc3\xa4me") :
							      0 };
	SEND(out, shape,
	     &(struct snap_shape){
		     .id = 1, .nfixed = SNAP_LABEL_KIND_COUNT, .fixed = labels });
	for (uint8_t i = 0; i < SNAP_TAIL_COUNT; i++)
		SEND(out, shape,
		     &(struct snap_shape){ .id = i + 2u,
					   .nfixed = i % 3,
					   .fixed = labels + 6,
					   .tail = i });
}

static void object(struct out *out, uint64_t addr, uint32_t t, uint32_t shape,
		   uint32_t nrefs, const uint64_t *refs)
{
	SEND(out, object,
	     &(struct snap_object){ .addr = addr,
				    .size = 16 + addr % 100,
				    .refcount = addr % 5,
				    .type = t,
				    .shape = shape,
				    .flags = (uint32_t)(addr >> 4) & 127,
				    .nrefs = nrefs,
				    .refs = refs });
}

static void value(struct out *out, uint64_t addr, uint8_t kind, const void *text,
		  size_t size, uint64_t length, uint64_t hash)
{
	SEND(out, value,
	     &(struct snap_value){ .addr = addr,
				   .kind = kind,
				   .length = length,
				   .hash = hash,
				   .size = (uint32_t)size,
				   .text = text });
}

#define KEY(i) (UINT64_C(0x7f0000000000) + 0x40 * (i))

/* The keys of the dicts, sent after them. */
static int keys(struct out *out)
{
	static const struct {
		uint32_t type;
		uint8_t kind;
		const char *text;
		size_t size;
		uint64_t length, hash;
	} all[] = {
		{ STR, SNAP_VALUE_STR, "plain", 5, 5, 0 },
		{ STR, SNAP_VALUE_STR, "it's", 4, 4, 0 },
		{ STR, SNAP_VALUE_STR, "it's \"both\"", 11, 11, 0 },
		{ STR, SNAP_VALUE_STR, "tab\tnewline\nback\\slash\x01\x7f", 24, 24, 0 },
		{ STR, SNAP_VALUE_STR, "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x8d", 14, 8,
		  0 },
		{ STR, SNAP_VALUE_STR, "lone \xed\xa0\x80 bad \xff\xc3", 15, 13, 0 },
		{ STR, SNAP_VALUE_STR, "the beginning of so", 19, 5000,
		  0x1234567890abcdef },
		{ STR, SNAP_VALUE_STR, "", 0, 0, 0 },
		{ STR, SNAP_VALUE_STR, "", 0, 77, 0xfeed }, /* values were off */
		{ BYTES, SNAP_VALUE_BYTES, "raw\0\xff'\n", 7, 7, 0 },
		{ BYTES, SNAP_VALUE_BYTES, "cut", 3, 9, 0xbeef },
		{ INT, SNAP_VALUE_INT, "-42", 3, 6, 0 },
		{ INT, SNAP_VALUE_INT, "18446744073709551615", 20, 64, 0 },
		{ INT, SNAP_VALUE_INT, "0x123456789abcdef0123", 21, 73, 0 },
		{ BOOL, SNAP_VALUE_BOOL, "\1", 1, 1, 0 },
		{ BOOL, SNAP_VALUE_BOOL, "\0", 1, 1, 0 },
		{ OBJECT, SNAP_VALUE_NAME, "a_function", 10, 10, 0 },
	};
	const int n = sizeof(all) / sizeof(*all);

	for (int i = 0; i < n; i++) {
		object(out, KEY(i), all[i].type, 0, 0, NULL);
		value(out, KEY(i), all[i].kind, all[i].text, all[i].size, all[i].length,
		      all[i].hash);
	}
	return n;
}

static int floats(struct out *out, int at)
{
	static const double all[] = {
		0.0, -1.5, 0.1, 1e300, 3, INFINITY, -INFINITY, NAN
	};
	const int n = sizeof(all) / sizeof(*all);

	for (int i = 0; i < n; i++) {
		object(out, KEY(at + i), FLOAT, 0, 0, NULL);
		value(out, KEY(at + i), SNAP_VALUE_FLOAT, &all[i], 8, 8, 0);
	}
	return at + n;
}

static void objects(struct out *out)
{
	uint64_t refs[80];
	int n;

	for (int i = 0; i < 60; i++)
		refs[i] = i % 2 ? KEY(30 + i) : KEY(i / 2);
	object(out, 0x7f1000000000, DICT, 2 + SNAP_TAIL_PAIRS, 60, refs);
	for (uint64_t i = 0; i < SNAP_TAIL_COUNT; i++)
		object(out, 0x7f2000000000 + i * 80, TUPLE, (uint32_t)(2 + i), 6,
		       refs + i);
	refs[3] = refs[4] = 0;
	object(out, 0x7f3000000000, OWNED, 1, SNAP_LABEL_KIND_COUNT, refs);
	object(out, 0x7f3000000100, OWNED, 1, 3, refs);
	object(out, 0xfffffffffffffff1, OWNED, 0, 3,
	       (uint64_t[]){ UINT64_MAX, 1, 0x7f3000000000 });
	object(out, 8, OWNED, 0, 2, (uint64_t[]){ UINT64_MAX - 7, 8 });
	n = keys(out);
	n = floats(out, n);
	object(out, KEY(n), NONE, 0, 0, NULL);
	object(out, KEY(n + 1), TUPLE, 3, 0, NULL);
	SEND(out, object,
	     &(struct snap_object){
		     .addr = 0x7f4000000000, .size = 1 << 20, .type = BYTES });
}

static void threads(struct out *out, uint32_t name)
{
	SEND(out, thread,
	     &(struct snap_thread){ .id = 1,
				    .name = name,
				    .native_id = 77,
				    .ident = 0x7f0011223344,
				    .interpreter = 0,
				    .flags = 3 });
	SEND(out, thread, &(struct snap_thread){ .id = 2 });
	SEND(out, frame,
	     &(struct snap_frame){ .id = 1,
				   .thread = 1,
				   .depth = 0,
				   .function = name,
				   .file = name,
				   .line = 42,
				   .code = KEY(1),
				   .object = 0 });
	SEND(out, frame,
	     &(struct snap_frame){ .id = 2,
				   .thread = 2,
				   .depth = 1,
				   .line = 7,
				   .code = KEY(0),
				   .object = KEY(3) });
}

static void native(struct out *out, uint32_t name)
{
	SEND(out, buffer, &(struct snap_buffer){ .object = KEY(2), .sharers = 1 });
	SEND(out, chunks,
	     &(struct snap_chunks){ .name = name,
				    .holder = 1,
				    .size = 64,
				    .count = 1000,
				    .bytes = 60000,
				    .example = KEY(9) });
	SEND(out, chunks, &(struct snap_chunks){ .size = UINT64_MAX, .count = 1 });
	SEND(out, shared,
	     &(struct snap_shared){ .start = 0x7f0000000000, .length = 1ull << 40 });
	SEND(out, shared, &(struct snap_shared){ .start = 0x1000, .length = 4096 });
	SEND(out, absent,
	     &(struct snap_absent){ .start = 0x7f4000001000, .length = 1 << 19 });
	SEND(out, absent, &(struct snap_absent){ .start = 0x2000, .length = 65536 });
}

static void traces(struct out *out, uint32_t name)
{
	SEND(out, site, &(struct snap_site){ .id = 1, .file = name, .line = UINT32_MAX });
	SEND(out, site, &(struct snap_site){ .id = 2, .caller = 1, .file = 1 });
	SEND(out, site, &(struct snap_site){ .id = 3, .caller = 1, .line = 7 });
	SEND(out, trace,
	     &(struct snap_trace){ .addr = KEY(1), .size = 1ull << 40, .site = 2 });
	SEND(out, trace,
	     &(struct snap_trace){ .addr = KEY(0), .site = 3, .domain = UINT32_MAX });
	SEND(out, trace, &(struct snap_trace){ .addr = 7, .size = 1 });
}

static void lines(struct out *out, uint32_t name)
{
	SEND(out, line,
	     &(struct snap_line){ .object = KEY(3), .file = name, .line = UINT32_MAX });
	SEND(out, line,
	     &(struct snap_line){ .object = 7, .call = 1, .file = 1, .line = 12 });
	SEND(out, line, &(struct snap_line){ .object = KEY(1), .call = UINT32_MAX });
}

static void rest(struct out *out)
{
	const uint32_t name = string(out,
				     "m\xc3\xb6"
				     "dule");

	threads(out, name);
	for (uint8_t i = 0; i < SNAP_ROOT_KIND_COUNT; i++)
		SEND(out, root,
		     &(struct snap_root){ .kind = i,
					  .flags = i & 3,
					  .thread = i % 3,
					  .frame = i % 2,
					  .name = i % 4 ? name : 0,
					  .target = KEY(i) });
	for (uint8_t i = 0; i <= SNAP_MAP_AGENT; i++)
		SEND(out, map,
		     &(struct snap_map){ .start = KEY(i),
					 .end = KEY(i + 1),
					 .offset = i,
					 .name = name,
					 .class_ = i,
					 .perms = (i + 2) & 15,
					 .rss = 4096,
					 .pss = 2048,
					 .private_dirty = 1,
					 .anonymous = 2,
					 .swap = 3,
					 .live = 4,
					 .object_bytes = 5 });
	SEND(out, buffer,
	     &(struct snap_buffer){ .object = KEY(1),
				    .data = 0x7f9900000000,
				    .length = 1ull << 40,
				    .owner = KEY(2),
				    .source = name,
				    .flags = 15,
				    .chunks = 1ull << 33,
				    .sharers = 2 });
	native(out, name);
	traces(out, name);
	lines(out, name);
	SEND(out, size_check, &(struct snap_size_check){ STR, 1000, 3, 50, 60 });
	SEND(out, error,
	     &(struct snap_error){ .addr = KEY(4), .type = OWNED, .text = name });
	SEND(out, error, &(struct snap_error){ .text = name });
	SEND(out, progress, &(struct snap_progress){ name, 1, 2, 3, 4 });
}

/* Everything there is, once. */
static void everything(FILE *file, uint64_t pid)
{
	struct out out;

	begin(&out, file);
	facts(&out, pid);
	types(&out);
	shapes(&out);
	objects(&out);
	rest(&out);
	SEND(&out, end);
	finish(&out);
}

/* An object whose references fill three blocks. */
static void many_references(FILE *file)
{
	const uint32_t n = 150000;
	uint64_t *const refs = calloc(n, sizeof(*refs));
	struct out out;

	if (!refs)
		exit(1);
	for (uint32_t i = 0; i < n; i++)
		refs[i] = i % 1000 == 999 ? 0 : 0x7f0000000000 + 32ull * (i % 7);
	begin(&out, file);
	types(&out);
	shapes(&out);
	object(&out, KEY(0), TUPLE, 2 + SNAP_TAIL_OTHER, 2, refs);
	object(&out, KEY(1), TUPLE, 2 + SNAP_TAIL_INDEX, n, refs);
	value(&out, KEY(1), SNAP_VALUE_NAME, "long", 4, 4, 0);
	object(&out, KEY(2), TUPLE, 2 + SNAP_TAIL_INDEX, 3, refs);
	SEND(&out, end);
	finish(&out);
	free(refs);
}

static FILE *create(const char *folder, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.pymem", folder, name);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(1);
	}
	return file;
}

int main(int argc, char **argv)
{
	FILE *file;

	if (argc != 2)
		return 2;
	file = create(argv[1], "v1.5-everything");
	everything(file, 1234);
	fclose(file);
	file = create(argv[1], "v1.5-two-processes");
	everything(file, 1);
	everything(file, 2);
	fclose(file);
	file = create(argv[1], "v1.5-many-references");
	many_references(file);
	fclose(file);
	return 0;
}
