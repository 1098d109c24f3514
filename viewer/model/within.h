/* SPDX-License-Identifier: MIT */
/*
 * within - objects whose sys.getsizeof counts another object: a BytesIO that alone has
 * its bytes (Modules/_io/bytesio.c, bytesio_sizeof), a bytearray of 3.15 and later, whose
 * bytes are an object too (Objects/bytearrayobject.c); and those derived from them.
 *
 * Each byte counts once: their sizes become those without the other object's, and it has
 * a row of its own.  They are known by the field that leads there.
 */
#ifndef PYMEM_VIEWER_MODEL_WITHIN_H
#define PYMEM_VIEWER_MODEL_WITHIN_H

#include "viewer/model/heap.h"

/* References must be resolved already. 0 or -ENOMEM. */
int within_take_out(struct heap *heap);

#endif
