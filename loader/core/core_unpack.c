/* SPDX-License-Identifier: MIT */
/* core_unpack - see core_unpack.h. */
#include "loader/core/core_unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

enum {
	CORE_UNPACK_BLOCK = 1 << 16,
	CORE_UNPACK_XZ_MEMORY = 256 << 20, /* xz -9 wants 65 MiB to unpack */
};

struct core_unpack {
	int fd, scratch;
	off_t at; /* in scratch */
	char *in, *out;
};

/* Where one is in both buffers: sizes are what is left before a step, what it took and
 * gave after it. */
struct core_unpack_step {
	const char *in;
	char *out;
	size_t in_size, out_size;
};

struct core_unpack_kind {
	const char *name, *magic;
	size_t size;
	void *(*begin)(void);
	const char *(*step)(void *state, struct core_unpack_step *s); /* NULL or words */
	void (*end)(void *state);
};

/* ---- the kinds ---- */

static void *core_unpack_zstd_begin(void)
{
	return ZSTD_createDStream();
}

static const char *core_unpack_zstd_step(void *state, struct core_unpack_step *s)
{
	ZSTD_inBuffer in = { s->in, s->in_size, 0 };
	ZSTD_outBuffer out = { s->out, s->out_size, 0 };
	const size_t rc = ZSTD_decompressStream(state, &out, &in);

	s->in_size = in.pos;
	s->out_size = out.pos;
	return ZSTD_isError(rc) ? ZSTD_getErrorName(rc) : NULL;
}

static void core_unpack_zstd_end(void *state)
{
	ZSTD_freeDStream(state);
}

static void *core_unpack_lz4_begin(void)
{
	LZ4F_dctx *state = NULL;

	return LZ4F_isError(LZ4F_createDecompressionContext(&state, LZ4F_VERSION)) ?
		NULL :
		state;
}

static const char *core_unpack_lz4_step(void *state, struct core_unpack_step *s)
{
	const size_t rc =
		LZ4F_decompress(state, s->out, &s->out_size, s->in, &s->in_size, NULL);

	return LZ4F_isError(rc) ? LZ4F_getErrorName(rc) : NULL;
}

static void core_unpack_lz4_end(void *state)
{
	LZ4F_freeDecompressionContext(state);
}

static void *core_unpack_gzip_begin(void)
{
	z_stream *const state = calloc(1, sizeof(*state));

	if (state && inflateInit2(state, 16 + MAX_WBITS) != Z_OK) {
		free(state);
		return NULL;
	}
	return state;
}

/* A file may be several streams, one after the other. */
static const char *core_unpack_gzip_step(void *state, struct core_unpack_step *s)
{
	z_stream *const z = state;
	int rc;

	z->next_in = (void *)(uintptr_t)s->in;
	z->avail_in = (uInt)s->in_size;
	z->next_out = (void *)s->out;
	z->avail_out = (uInt)s->out_size;
	rc = inflate(z, Z_NO_FLUSH);
	s->in_size -= z->avail_in;
	s->out_size -= z->avail_out;
	if (rc == Z_STREAM_END)
		rc = inflateReset(z);
	return rc == Z_OK || rc == Z_BUF_ERROR ? NULL : z->msg ? z->msg : zError(rc);
}

static void core_unpack_gzip_end(void *state)
{
	inflateEnd(state);
	free(state);
}

static void *core_unpack_xz_begin(void)
{
	lzma_stream *const state = calloc(1, sizeof(*state));

	if (state &&
	    lzma_stream_decoder(state, CORE_UNPACK_XZ_MEMORY, LZMA_CONCATENATED) !=
		    LZMA_OK) {
		free(state);
		return NULL;
	}
	return state;
}

static const char *core_unpack_xz_words(lzma_ret rc)
{
	switch (rc) {
	case LZMA_OK:
	case LZMA_STREAM_END:
	case LZMA_BUF_ERROR: /* it wants more */
		return NULL;
	case LZMA_MEMLIMIT_ERROR:
		return "more than 256 MiB of memory would be needed";
	case LZMA_MEM_ERROR:
		return "out of memory";
	case LZMA_OPTIONS_ERROR:
		return "packed in a way that isn't known";
	default:
		return "damaged";
	}
}

static const char *core_unpack_xz_step(void *state, struct core_unpack_step *s)
{
	lzma_stream *const z = state;

	z->next_in = (const uint8_t *)s->in;
	z->avail_in = s->in_size;
	z->next_out = (uint8_t *)s->out;
	z->avail_out = s->out_size;

	const lzma_ret rc = lzma_code(z, LZMA_RUN);

	s->in_size -= z->avail_in;
	s->out_size -= z->avail_out;
	return core_unpack_xz_words(rc);
}

static void core_unpack_xz_end(void *state)
{
	lzma_end(state);
	free(state);
}

static const struct core_unpack_kind core_unpack_kinds[] = {
	{ "zstd", "\x28\xb5\x2f\xfd", 4, core_unpack_zstd_begin, core_unpack_zstd_step,
	  core_unpack_zstd_end },
	{ "lz4", "\x04\x22\x4d\x18", 4, core_unpack_lz4_begin, core_unpack_lz4_step,
	  core_unpack_lz4_end },
	{ "xz", "\xfd\x37zXZ", 5, core_unpack_xz_begin, core_unpack_xz_step,
	  core_unpack_xz_end },
	{ "gzip", "\x1f\x8b", 2, core_unpack_gzip_begin, core_unpack_gzip_step,
	  core_unpack_gzip_end },
};

static const struct core_unpack_kind *core_unpack_find(int fd)
{
	char head[8] = "";

	if (pread(fd, head, sizeof(head), 0) < 4)
		return NULL;
	for (size_t i = 0; i < sizeof(core_unpack_kinds) / sizeof(*core_unpack_kinds);
	     i++)
		if (!memcmp(head, core_unpack_kinds[i].magic, core_unpack_kinds[i].size))
			return &core_unpack_kinds[i];
	return NULL;
}

const char *core_unpack_kind(int fd)
{
	const struct core_unpack_kind *kind = core_unpack_find(fd);

	return kind ? kind->name : NULL;
}

/* ---- the work ---- */

/* Writes what isn't zeros; the rest stays a hole. 0 or -1 with errno. */
static int core_unpack_put(struct core_unpack *u, const char *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		const size_t n = size - done < 4096 ? size - done : 4096;
		const char *p = data + done;

		if (*p || memcmp(p, p + 1, n - 1)) {
			const ssize_t put = pwrite(u->scratch, p, n, u->at);

			if (put != (ssize_t)n) {
				errno = put < 0 ? errno : ENOSPC;
				return -1;
			}
		}
		u->at += (off_t)n;
		done += n;
	}
	return 0;
}

/* What `size` bytes of input give: until all are taken and nothing more comes out. */
static int core_unpack_block(struct core_unpack *u, const struct core_unpack_kind *kind,
			     void *state, size_t size, char why[256])
{
	size_t taken = 0;
	bool full = true;

	while (taken < size || full) {
		struct core_unpack_step s = { .in = u->in + taken,
					      .out = u->out,
					      .in_size = size - taken,
					      .out_size = CORE_UNPACK_BLOCK };
		const char *wrong = kind->step(state, &s);

		if (!wrong && taken < size && !s.in_size && !s.out_size)
			wrong = "it doesn't go on";
		if (wrong) {
			snprintf(why, 256, "%s", wrong);
			return -1;
		}
		if (core_unpack_put(u, u->out, s.out_size) < 0) {
			snprintf(why, 256, "can't write beside the output (%s)",
				 strerror(errno));
			return -1;
		}
		taken += s.in_size;
		full = s.out_size == CORE_UNPACK_BLOCK;
	}
	return 0;
}

static int core_unpack_all(struct core_unpack *u, const struct core_unpack_kind *kind,
			   char why[256])
{
	void *const state = kind->begin();
	ssize_t n = 0;
	int rc = state && u->in && u->out ? 0 : -1;

	if (rc)
		snprintf(why, 256, "out of memory");
	while (!rc && (n = read(u->fd, u->in, CORE_UNPACK_BLOCK)) > 0)
		rc = core_unpack_block(u, kind, state, (size_t)n, why);
	if (!rc && (n < 0 || ftruncate(u->scratch, u->at) < 0)) {
		snprintf(why, 256, "%s", strerror(errno));
		rc = -1;
	}
	if (state)
		kind->end(state);
	return rc;
}

int core_unpack(int fd, int scratch, char why[256])
{
	const struct core_unpack_kind *kind = core_unpack_find(fd);
	struct core_unpack u = { .fd = fd,
				 .scratch = scratch,
				 .in = malloc(CORE_UNPACK_BLOCK),
				 .out = malloc(CORE_UNPACK_BLOCK) };
	int rc = -1;

	if (!kind)
		snprintf(why, 256, "it isn't packed in a way that is known");
	else if (scratch < 0 || lseek(fd, 0, SEEK_SET) < 0)
		snprintf(why, 256, "there is no file to unpack it into");
	else
		rc = core_unpack_all(&u, kind, why);
	free(u.in);
	free(u.out);
	return rc;
}
