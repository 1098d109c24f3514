/* SPDX-License-Identifier: MIT */
/*
 * protobuf - messages of Protocol Buffers, written field by field.
 *
 * The encoding: protobuf.dev/programming-guides/encoding.  A message inside of another is
 * made in a vec of its own and put in as bytes.
 */
#ifndef PYMEM_VIEWER_DOCUMENT_PROTOBUF_H
#define PYMEM_VIEWER_DOCUMENT_PROTOBUF_H

#include <stdint.h>

#include "viewer/model/vec.h"

struct protobuf {
	struct vec bytes;
	int err; /* 0 or -ENOMEM, sticky */
};

/* All zeros is empty. */
void protobuf_free(struct protobuf *message);
/* A number; 0 is what an absent field is and isn't written. */
void protobuf_number(struct protobuf *message, unsigned field, uint64_t value);
void protobuf_text(struct protobuf *message, unsigned field, const void *bytes,
		   size_t size);
/* Numbers packed into one field. */
void protobuf_numbers(struct protobuf *message, unsigned field, const uint64_t *values,
		      size_t count);
/* A message, which is empty then. */
void protobuf_message(struct protobuf *message, unsigned field, struct protobuf *inner);

#endif
