/* SPDX-License-Identifier: MIT */
/*
 * record - records an image of a living heap: record PID DESCRIPTION IMAGE [HIDE...],
 * while the process waits; record --symbols lists the symbols that a description tells.
 * HIDE are texts that go into no image (paths of the machine), wherever they are.
 *
 * It reads all of the process's memory, walks the wanted objects (image_walk), and notes
 * what was read, in grains.  Then everything is tried without: symbols, mappings, pieces
 * that only a search looked at (reads of many bytes), each word.  What makes no
 * difference to the walk's events is left out, a word is kept as zeros.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zstd.h>

#include "image.h"
#include "walk_trace.h"

enum {
	RECORD_GRAIN = IMAGE_GRAIN,
	RECORD_SEARCH = 512, /* bytes of a read that looks for something */
	RECORD_TEXT = 512,   /* longest text that is kept whole */
	RECORD_PIECE = 512,  /* of what a search looked at */
	RECORD_WORD = 8,
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
	static int f = -1;
	char err[512] = "", *text;
	long size;

	f = f < 0 ? memfd_create("events", MFD_CLOEXEC) : f;
	if (f < 0 || ftruncate(f, 0) || lseek(f, 0, SEEK_SET))
		record_fail("a file in memory");
	peek_image_ask(record_source); /* what is missing is counted anew */
	walk_trace_init(&trace, f);
	if (image_walk(image, &trace.sink, err, sizeof(err)) < 0 && !record.done) {
		fprintf(stderr, "record: %s\n", err);
		exit(1);
	}
	walk_trace_flush(&trace);
	size = lseek(f, 0, SEEK_END);
	text = malloc((size_t)size + 1);
	if (!text || pread(f, text, (size_t)size, 0) != size)
		record_fail("the events");
	*size_ret = (size_t)size;
	return text;
}

/* What a walk must tell, whatever is left out. */
struct record_told {
	char *events;
	size_t size;
};

static bool record_tells(struct image *image, const struct record_told *told)
{
	size_t size;
	char *events = record_events(image, &size);
	const bool same = size == told->size && !memcmp(events, told->events, size) &&
		!peek_image_missing();

	free(events);
	return same;
}

static bool record_is_zero(const unsigned char *bytes, size_t n)
{
	return !n || (!bytes[0] && !memcmp(bytes, bytes + 1, n - 1));
}

/* Zeros in n bytes, if they make no difference. */
static bool record_try_zeros(struct image *image, const struct record_told *told,
			     unsigned char *bytes, size_t n)
{
	unsigned char *saved = malloc(n);
	bool same;

	if (!saved)
		record_fail("no memory");
	memcpy(saved, bytes, n);
	memset(bytes, 0, n);
	same = record_tells(image, told);
	if (!same)
		memcpy(bytes, saved, n);
	free(saved);
	return same;
}

/* Halves n bytes until a piece is `least` bytes. */
static void record_prune(struct image *image, const struct record_told *told,
			 unsigned char *bytes, size_t n, size_t least)
{
	size_t half = n / 2 / least * least;

	half = half ? half : least;
	if (record_is_zero(bytes, n) || record_try_zeros(image, told, bytes, n) ||
	    n <= least)
		return;
	record_prune(image, told, bytes, half, least);
	record_prune(image, told, bytes + half, n - half, least);
}

/* All that was used at most so. */
static void record_prune_all(struct image *image, const struct record_told *told,
			     enum record_use most, size_t least)
{
	for (size_t i = 0; i < record.count; i++) {
		struct record_range *r = &record.ranges[i];
		const uint64_t grains = r->size / RECORD_GRAIN;

		for (uint64_t at = 0, end; at < grains; at = end) {
			for (end = at;
			     end < grains && r->use[end] && r->use[end] <= most;)
				end++;
			if (end > at)
				record_prune(image, told, r->bytes + at * RECORD_GRAIN,
					     (end - at) * RECORD_GRAIN, least);
			else
				end++;
		}
	}
}

static struct image *record_without(const char *text, size_t at, size_t n)
{
	char *rest = strdup(text);

	if (!rest)
		record_fail("no memory");
	memmove(rest + at, rest + at + n, strlen(rest + at + n) + 1);
	return image_described(rest);
}

static void record_free(struct image *image)
{
	free(image->text);
	free(image);
}

/* The same image without the symbols and mappings that make no difference. */
static struct image *record_prune_lines(struct image *image,
					const struct record_told *told)
{
	for (size_t at = 0; image->text[at];) {
		const char *line = image->text + at;
		const size_t n = strcspn(line, "\n") + 1;
		struct image *without;

		if (strncmp(line, "symbol ", 7) && strncmp(line, "map ", 4)) {
			at += n;
			continue;
		}
		without = record_without(image->text, at, n);
		if (record_tells(without, told)) {
			record_free(image);
			image = without;
		} else {
			record_free(without);
			at += n;
		}
	}
	return image;
}

/* What a walk uses, anew: with fewer words it looks at less. */
static void record_note_again(struct image *image)
{
	size_t size;

	for (size_t i = 0; i < record.count; i++)
		memset(record.ranges[i].use, RECORD_UNUSED,
		       record.ranges[i].size / RECORD_GRAIN + 1);
	record.done = false;
	free(record_events(image, &size));
	record.done = true;
}

/* As little as tells the same. */
static struct image *record_reduce(struct image *image)
{
	struct record_told told;

	told.events = record_events(image, &told.size);
	if (peek_image_missing()) {
		fprintf(stderr, "record: %lu reads of what can't be read\n",
			(unsigned long)peek_image_missing());
		exit(1);
	}
	record.done = true;
	image = record_prune_lines(image, &told);
	record_prune_all(image, &told, RECORD_SEARCHED, RECORD_PIECE);
	record_prune_all(image, &told, RECORD_READ, RECORD_WORD);
	record_note_again(image);
	if (!record_tells(image, &told)) {
		fprintf(stderr, "record: what is left tells something else\n");
		exit(1);
	}
	free(told.events);
	return image;
}

/* ---- the file ---- */

static uint64_t record_segment(FILE *out, uint64_t last, uint64_t at, uint64_t count)
{
	fprintf(out, "segment %lx %lx\n", (unsigned long)(at - last),
		(unsigned long)count);
	return at + count;
}

static void record_segments(FILE *out, bool bytes)
{
	uint64_t last = 0; /* grain after the segment before */

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
				last = record_segment(out, last,
						      r->start / RECORD_GRAIN + at,
						      end - at);
		}
	}
}

/* The words of all segments, packed as image.h says. */
static void record_words(FILE *out, const char *bytes, size_t size)
{
	const size_t count = size / RECORD_WORD;
	uint8_t *bits = calloc(1, count / 8 + 1);

	if (!bits)
		record_fail("no memory");
	for (size_t i = 0; i < count; i++) {
		uint64_t word;

		memcpy(&word, bytes + i * RECORD_WORD, sizeof(word));
		if (word)
			bits[i / 8] |= (uint8_t)(1u << i % 8);
	}
	fwrite(bits, 1, count / 8 + 1, out);
	for (size_t i = 0; i < count; i++)
		if (bits[i / 8] >> i % 8 & 1)
			fwrite(bytes + i * RECORD_WORD, RECORD_WORD, 1, out);
	free(bits);
}

/* As a stream, of which zstd does not know that it is short, it comes out smaller.  A
 * test that throws it away has it quickly (PYMEM_TEST_IMAGE_LEVEL). */
static size_t record_pack(char *packed, size_t capacity, const char *plain, size_t size)
{
	ZSTD_CCtx *const context = ZSTD_createCCtx();
	const char *const level = getenv("PYMEM_TEST_IMAGE_LEVEL");
	ZSTD_inBuffer in = { plain, size, 0 };
	ZSTD_outBuffer out = { packed, capacity, 0 };
	size_t rc;

	if (!context)
		record_fail("no memory");
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel,
			       level ? atoi(level) : 19);
	do
		rc = ZSTD_compressStream2(context, &out, &in, ZSTD_e_continue);
	while (!ZSTD_isError(rc) && in.pos < in.size);
	do
		rc = ZSTD_compressStream2(context, &out, &in, ZSTD_e_end);
	while (rc && !ZSTD_isError(rc));
	if (ZSTD_isError(rc))
		record_fail("zstd");
	ZSTD_freeCCtx(context);
	return out.pos;
}

static void record_write(const char *path, const char *text)
{
	char *plain = NULL, *bytes = NULL, *packed;
	size_t size = 0, kept = 0, capacity;
	FILE *out = open_memstream(&bytes, &kept);

	if (!out)
		record_fail("no memory");
	record_segments(out, true);
	fclose(out);
	out = open_memstream(&plain, &size);
	if (!out)
		record_fail("no memory");
	fputs(text, out);
	record_segments(out, false);
	fputs("bytes\n", out);
	record_words(out, bytes, kept);
	fclose(out);
	free(bytes);
	capacity = ZSTD_compressBound(size);
	packed = malloc(capacity);
	if (!packed)
		record_fail("no memory");
	size = record_pack(packed, capacity, plain, size);
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
	image = record_reduce(image);
	record_write(argv[3], image->text);
	record_free(image);
	return 0;
}
