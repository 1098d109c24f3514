/* SPDX-License-Identifier: MIT */
/*
 * record - records an image of a living heap: record PID DESCRIPTION IMAGE [HIDE...],
 * while the process waits; record --symbols lists the symbols that a description tells.
 * HIDE are texts that go into no image (paths of the machine), wherever they are.
 *
 * It reads all of the process's memory, walks the wanted objects (image_walk), and keeps
 * what was read, in grains, so that a later walk finds the neighbours of a field too.
 * What only a search looked at (reads of many bytes) is then tried without: a piece that
 * makes no difference to the walk's events is kept as zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

#include "image.h"
#include "walk_trace.h"

enum {
	RECORD_GRAIN = 32,
	RECORD_SEARCH = 512, /* bytes of a read that looks for something */
	RECORD_TEXT = 512,   /* longest text that is kept whole */
	RECORD_PIECE = 512,  /* of what a search looked at */
	RECORD_RANGES = 1 << 14,
	RECORD_MAX = 1 << 30,
};

enum record_use { RECORD_UNUSED, RECORD_SEARCHED, RECORD_READ };

/* A mapping of the process, and which of its grains were read. */
struct record_range {
	uint64_t start, size;
	unsigned char *bytes;
	uint8_t *use; /* enum record_use of each grain */
};

static struct {
	struct record_range ranges[RECORD_RANGES];
	size_t count;
	bool done; /* use is complete */
} record;

static void record_fail(const char *what)
{
	fprintf(stderr, "record: %s: %s\n", what, strerror(errno));
	exit(1);
}

static struct record_range *record_find(uint64_t addr)
{
	size_t low = 0, high = record.count;

	while (low < high) {
		const size_t middle = (low + high) / 2;
		const struct record_range *r = &record.ranges[middle];

		if (r->start + r->size <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < record.count && addr >= record.ranges[low].start ?
		&record.ranges[low] :
		NULL;
}

static void record_note(struct record_range *r, uint64_t from, uint64_t size)
{
	const uint8_t use = size >= RECORD_SEARCH ? RECORD_SEARCHED : RECORD_READ;

	for (uint64_t at = from / RECORD_GRAIN; at <= (from + size - 1) / RECORD_GRAIN;
	     at++)
		if (r->use[at] < use)
			r->use[at] = use;
}

/* How many bytes from there on will be in the image. */
static uint64_t record_kept(const struct record_range *r, uint64_t from)
{
	uint64_t at = from / RECORD_GRAIN;

	while (at < r->size / RECORD_GRAIN && r->use[at])
		at++;
	return at * RECORD_GRAIN > from ? at * RECORD_GRAIN - from : 0;
}

/* A peek_source_fn: of the process, and when all was noted, of what is kept. */
static const unsigned char *record_source(uint64_t addr, uint64_t size,
					  uint64_t *more_ret)
{
	struct record_range *r = record_find(addr);
	uint64_t from, most;

	if (!r || addr + size > r->start + r->size)
		return NULL;
	from = addr - r->start;
	*more_ret = record.done ? record_kept(r, from) : r->size - from;
	if (record.done)
		return size <= *more_ret ? r->bytes + from : NULL;
	record_note(r, from, size);
	if (size == 1) { /* may be the begin of a text */
		most = *more_ret < RECORD_TEXT ? *more_ret : RECORD_TEXT;
		most = strnlen((const char *)r->bytes + from, most);
		if (most > 1 && most < RECORD_TEXT)
			for (uint64_t i = 0; i <= most && from + i < r->size; i++)
				record_note(r, from + i, 1);
	}
	return r->bytes + from;
}

/* ---- the process ---- */

static void record_take_range(int mem, uint64_t start, uint64_t end)
{
	struct record_range *r = &record.ranges[record.count];
	uint64_t done = 0;

	r->start = start;
	r->size = end - start;
	r->bytes = calloc(1, r->size);
	r->use = calloc(1, r->size / RECORD_GRAIN + 1);
	if (!r->bytes || !r->use || record.count + 1 == RECORD_RANGES)
		record_fail("no room");
	while (done < r->size) {
		ssize_t n = pread(mem, r->bytes + done, r->size - done,
				  (off_t)(start + done));
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	if (done == r->size)
		record.count++;
}

/* Its mappings, as lines of the description; names of files are nobody's business. */
static void record_process(const char *pid, FILE *description)
{
	char path[64], line[8192], perms[8];
	unsigned long start, end, offset;
	FILE *maps;
	int mem;

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	if (mem < 0 || !maps)
		record_fail(path);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s %lx", &start, &end, perms, &offset) != 4 ||
		    perms[0] != 'r' || strstr(line, "[v") || end - start > RECORD_MAX)
			continue;
		fprintf(description, "map %lx %lx %s %lx%s\n", start, end, perms, offset,
			strchr(line, '/') ? " /file" : "");
		record_take_range(mem, start, end);
	}
	fclose(maps);
	close(mem);
}

static void record_hide(const char *text)
{
	const size_t n = strlen(text);

	for (size_t i = 0; i < record.count; i++) {
		struct record_range *r = &record.ranges[i];
		unsigned char *at = r->bytes, *const end = at + r->size;

		while (n && (at = memmem(at, (size_t)(end - at), text, n))) {
			memset(at, 'x', n);
			at += n;
		}
	}
}

static char *record_description(const char *path, const char *pid)
{
	FILE *in = fopen(path, "re"), *out;
	size_t size = 0;
	char *text = NULL;
	int c;

	out = open_memstream(&text, &size);
	if (!in || !out)
		record_fail(path);
	while ((c = getc(in)) != EOF)
		putc(c, out);
	fclose(in);
	record_process(pid, out);
	fclose(out);
	return text;
}

/* ---- what is kept ---- */

/* The events of a walk as text; freed by the caller. */
static char *record_events(struct image *image, size_t *size_ret)
{
	static struct walk_trace trace;
	FILE *f = tmpfile();
	char err[512] = "", *text;
	long size;

	if (!f)
		record_fail("a temporary file");
	walk_trace_init(&trace, fileno(f));
	if (image_walk(image, &trace.sink, err, sizeof(err)) < 0 && !record.done) {
		fprintf(stderr, "record: %s\n", err);
		exit(1);
	}
	walk_trace_flush(&trace);
	size = lseek(fileno(f), 0, SEEK_END);
	text = malloc((size_t)size + 1);
	if (!text || pread(fileno(f), text, (size_t)size, 0) != size)
		record_fail("the events");
	fclose(f);
	*size_ret = (size_t)size;
	return text;
}

static bool record_same_without(struct image *image, const char *events, size_t size,
				unsigned char *bytes, size_t n)
{
	unsigned char *saved = malloc(n);
	size_t now_size;
	char *now;
	bool same;

	if (!saved)
		record_fail("no memory");
	memcpy(saved, bytes, n);
	memset(bytes, 0, n);
	now = record_events(image, &now_size);
	same = now_size == size && !memcmp(now, events, size) && !peek_image_missing();
	if (!same)
		memcpy(bytes, saved, n);
	free(now);
	free(saved);
	return same;
}

/* Grains [from, to) of a range, all only searched: halves it until it is small. */
static void record_prune(struct image *image, struct record_range *r, uint64_t from,
			 uint64_t to, const char *events, size_t size)
{
	const uint64_t middle = from + (to - from) / 2;

	if (record_same_without(image, events, size, r->bytes + from * RECORD_GRAIN,
				(to - from) * RECORD_GRAIN))
		return;
	if ((to - from) * RECORD_GRAIN <= RECORD_PIECE)
		return;
	record_prune(image, r, from, middle, events, size);
	record_prune(image, r, middle, to, events, size);
}

static void record_prune_all(struct image *image, const char *events, size_t size)
{
	for (size_t i = 0; i < record.count; i++) {
		struct record_range *r = &record.ranges[i];
		const uint64_t grains = r->size / RECORD_GRAIN;

		for (uint64_t at = 0, end; at < grains; at = end) {
			for (end = at; end < grains && r->use[end] == RECORD_SEARCHED;)
				end++;
			if (end > at)
				record_prune(image, r, at, end, events, size);
			else
				end++;
		}
	}
}

/* ---- the file ---- */

static void record_segments(FILE *out, bool bytes)
{
	for (size_t i = 0; i < record.count; i++) {
		const struct record_range *r = &record.ranges[i];
		const uint64_t grains = r->size / RECORD_GRAIN;

		for (uint64_t at = 0, end; at < grains; at = end) {
			for (end = at; end < grains && r->use[end];)
				end++;
			if (end == at)
				end++;
			else if (bytes)
				fwrite(r->bytes + at * RECORD_GRAIN, RECORD_GRAIN,
				       end - at, out);
			else
				fprintf(out, "segment %lx %lx\n",
					(unsigned long)(r->start + at * RECORD_GRAIN),
					(unsigned long)((end - at) * RECORD_GRAIN));
		}
	}
}

static void record_write(const char *path, const char *text)
{
	char *plain = NULL, *packed;
	size_t size = 0, capacity;
	FILE *out = open_memstream(&plain, &size);

	if (!out)
		record_fail("no memory");
	fputs(text, out);
	record_segments(out, false);
	fputs("bytes\n", out);
	record_segments(out, true);
	fclose(out);
	capacity = ZSTD_compressBound(size);
	packed = malloc(capacity);
	if (!packed)
		record_fail("no memory");
	size = ZSTD_compress(packed, capacity, plain, size, 19);
	out = fopen(path, "wbe");
	if (!out || fwrite(packed, 1, size, out) != size || fclose(out))
		record_fail(path);
	free(packed);
	free(plain);
}

static int record_list_symbols(void)
{
#define ROW(field, symbol, from, to, need) puts(symbol);
#define X(field, ...) ROW(field, __VA_ARGS__)
	CPYTHON_SYMBOLS(X)
#undef X
#undef ROW
	return 0;
}

int main(int argc, char **argv)
{
	struct image *image;
	size_t size;
	char *events;

	if (argc == 2 && !strcmp(argv[1], "--symbols"))
		return record_list_symbols();
	if (argc < 4) {
		fputs("usage: record PID DESCRIPTION IMAGE [HIDE...] | record "
		      "--symbols\n",
		      stderr);
		return 2;
	}
	image = image_described(record_description(argv[2], argv[1]));
	for (int i = 4; i < argc; i++)
		record_hide(argv[i]);
	peek_image_ask(record_source);
	events = record_events(image, &size);
	if (peek_image_missing()) {
		fprintf(stderr, "record: %lu reads of what can't be read\n",
			(unsigned long)peek_image_missing());
		return 1;
	}
	record.done = true;
	record_prune_all(image, events, size);
	record_write(argv[3], image->text);
	return 0;
}
