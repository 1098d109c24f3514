/* SPDX-License-Identifier: MIT */
/* gzip - by zlib (gzip.h). */
#include "viewer/document/gzip.h"

#include <errno.h>
#include <stdint.h>
#include <zlib.h>

enum { GZIP_WRAPPED = 16 + MAX_WBITS /* zlib: with gzip's head and tail */ };

int gzip_write(FILE *out, const void *bytes, size_t size)
{
	z_stream z = { 0 };
	unsigned char buf[1 << 14];
	int rc;

	z.next_in = (void *)(uintptr_t)bytes; /* zlib only reads there */
	rc = deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WRAPPED,
			  8 /* as by default */, Z_DEFAULT_STRATEGY);

	if (rc != Z_OK)
		return -ENOMEM;
	do {
		/* zlib counts in 32 bits */
		if (!z.avail_in && size) {
			z.avail_in = size > INT32_MAX ? INT32_MAX : (uInt)size;
			size -= z.avail_in;
		}
		z.next_out = buf;
		z.avail_out = sizeof(buf);
		rc = deflate(&z, size ? Z_NO_FLUSH : Z_FINISH);
		fwrite(buf, 1, sizeof(buf) - z.avail_out, out);
	} while (rc != Z_STREAM_END && !ferror(out));
	deflateEnd(&z);
	return 0;
}
