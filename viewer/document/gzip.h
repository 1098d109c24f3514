/* SPDX-License-Identifier: MIT */
/* gzip - bytes to a stream, compressed (RFC 1952). */
#ifndef PYMEM_VIEWER_DOCUMENT_GZIP_H
#define PYMEM_VIEWER_DOCUMENT_GZIP_H

#include <stddef.h>
#include <stdio.h>

/* Writes size bytes as one whole gzip file. 0 or -ENOMEM; the stream's errors are its
 * own. */
int gzip_write(FILE *out, const void *bytes, size_t size);

#endif
