/* SPDX-License-Identifier: MIT */
/* core_unpack - see core_unpack.h. */
#include "loader/core/core_unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>

enum { CORE_UNPACK_BLOCK = 1 << 16 };

struct core_unpack {
	int fd, scratch;
	off_t at; /* in scratch */
	char *in, *out;
	size_t in_size, out_size;
};

struct core_unpack_kind {
	const char *name, *magic;
	size_t size;
	int (*run)(struct core_unpack *u, char why[256]);
};

static int core_unpack_zstd(struct core_unpack *u, char why[256]);

static const struct core_unpack_kind core_unpack_kinds[] = {
	{ "zstd", "\x28\xb5\x2f\xfd", 4, core_unpack_zstd },
	{ "lz4", "\x04\x22\x4d\x18", 4, NULL },
	{ "xz", "\xfd\x37zXZ", 5, NULL },
	{ "gzip", "\x1f\x8b", 2, NULL },
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

/* Writes what isn't zeros; the rest stays a hole. */
static int core_unpack_put(struct core_unpack *u, const char *data, size_t size)
{
	for (size_t done = 0; done < size;) {
		const size_t n = size - done < 4096 ? size - done : 4096;
		const char *p = data + done;

		if ((*p || memcmp(p, p + 1, n - 1)) &&
		    pwrite(u->scratch, p, n, u->at) != (ssize_t)n)
			return -1;
		u->at += (off_t)n;
		done += n;
	}
	return 0;
}

static int core_unpack_zstd(struct core_unpack *u, char why[256])
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	ssize_t n = 0;
	int rc = stream ? 0 : -1;

	if (rc)
		snprintf(why, 256, "out of memory");
	while (!rc && (n = read(u->fd, u->in, u->in_size)) > 0) {
		ZSTD_inBuffer in = { u->in, (size_t)n, 0 };

		while (!rc && in.pos < in.size) {
			ZSTD_outBuffer out = { u->out, u->out_size, 0 };
			const size_t r = ZSTD_decompressStream(stream, &out, &in);

			if (ZSTD_isError(r)) {
				snprintf(why, 256, "%s", ZSTD_getErrorName(r));
				rc = -1;
			} else if (core_unpack_put(u, u->out, out.pos) < 0) {
				snprintf(why, 256,
					 "the file can't be written, beside the output "
					 "(%s)",
					 strerror(errno));
				rc = -1;
			}
		}
	}
	if (!rc && n < 0) {
		snprintf(why, 256, "%s", strerror(errno));
		rc = -1;
	}
	ZSTD_freeDStream(stream);
	return rc;
}

int core_unpack(int fd, int scratch, char why[256])
{
	const struct core_unpack_kind *kind = core_unpack_find(fd);
	struct core_unpack u = { .fd = fd,
				 .scratch = scratch,
				 .in = malloc(CORE_UNPACK_BLOCK),
				 .out = malloc(CORE_UNPACK_BLOCK),
				 .in_size = CORE_UNPACK_BLOCK,
				 .out_size = CORE_UNPACK_BLOCK };
	int rc = -1;

	if (!kind || !kind->run)
		snprintf(why, 256, "unpack it first, and name what comes out");
	else if (scratch < 0 || lseek(fd, 0, SEEK_SET) < 0)
		snprintf(why, 256, "there is no file to unpack it into");
	else if (!u.in || !u.out)
		snprintf(why, 256, "out of memory");
	else
		rc = kind->run(&u, why);
	if (!rc && ftruncate(scratch, u.at) < 0) {
		snprintf(why, 256, "%s", strerror(errno));
		rc = -1;
	}
	free(u.in);
	free(u.out);
	return rc;
}
