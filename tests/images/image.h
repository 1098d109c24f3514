/* SPDX-License-Identifier: MIT */
/*
 * image - a recorded image of a small heap: pieces of the memory of an interpreter, and
 * a description: where its symbols are, which objects are wanted, and what Python itself
 * said of them (heap.py).
 *
 * A file is text, a line "bytes", and the segments' bytes, one after the other: a bit for
 * each word of 8, then the words whose bit is set; the others are 0.  All of it is
 * compressed with zstd.  Lines of the text, addresses hexadecimal:
 *
 *	python 3.12.1			its version
 *	symbol NAME ADDR		of the table in agent/python/symbols.h
 *	interp ADDR | thread ADDR	states
 *	object ADDR TYPE SIZE REF...	as gc.get_referents and sys.getsizeof say; no REF:
 *					not asked
 *	attr ADDR NAME TARGET | item ADDR KEY VALUE
 *	frame FUNCTION FILE LINE	innermost first; its locals follow
 *	local NAME TARGET
 *	map START END PERMS [PATH]	mappings; those of files are called /file
 *	segment SKIP COUNT		memory: so many grains of 32 bytes after the end
 *					of the one before (the first: of 0), so many
 *
 * The recorder (record.c) keeps what image_walk needs, so both run the same code.
 */
#ifndef PYMEM_TESTS_IMAGE_H
#define PYMEM_TESTS_IMAGE_H

#include "agent/base/arena.h"
#include "agent/base/peek_image.h"
#include "agent/heap/core/context.h"
#include "agent/python/cpython.h"
#include "agent/python/interpreters.h"

enum {
	IMAGE_GRAIN = 32,
	IMAGE_SEGMENTS = 1 << 16,
	IMAGE_OBJECTS = 256,
	IMAGE_MAPS = 1 << 16
};

struct image {
	char *text; /* the description; NUL-terminated */
	unsigned char *bytes;
	struct peek_segment segments[IMAGE_SEGMENTS];
	uint32_t nsegments, nobjects;
	uint64_t objects[IMAGE_OBJECTS];
	char maps[IMAGE_MAPS]; /* as /proc/self/maps */
	struct interpreters_image interps;
	struct cpython py;
};

/* Reads a file; exits with a sentence when it can't. Owned by the caller; free() it. */
struct image *image_read(const char *path);

/* The same of a description alone, whose text becomes its own: no segments. */
struct image *image_described(char *text);

/*
 * The next line of the text that begins with `word`, from *at on (start with the
 * description), cut into at most max fields after the word, in buf; NULL-terminated
 * where there are fewer.  Returns how many there are, -1: no more such lines.
 */
int image_line(const char **at, const char *word, char *buf, size_t size, char **fields,
	       int max);

/*
 * Probes the interpreter and walks the wanted objects, their types and the threads'
 * frames into the sink; objects in the order of the description.  0, or negative with a
 * sentence in err.  What is read comes from what peek_image was set to.
 */
int image_walk(struct image *image, struct snap_sink *sink, char *err, size_t err_size);

#endif
