/* SPDX-License-Identifier: MIT */
/*
 * tables - the definitions of a process (strings, types, shapes), kept by id.
 *
 * For consumers that do not build a model: exports.  tables_string, _type and _shape
 * have the events' signatures less the sink; call them from the sink's functions.
 */
#ifndef PYMEM_FORMATS_EXPORT_TABLES_H
#define PYMEM_FORMATS_EXPORT_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "formats/core/sink.h"

struct tables_shape {
	uint64_t labels; /* index of the first */
	uint32_t nfixed;
	uint8_t tail;
};

struct tables {
	char *text;
	size_t text_size, text_capacity;
	uint64_t *ends; /* of string id i: text[ends[i - 1] .. ends[i]) */
	size_t strings, strings_capacity;
	struct snap_type *types; /* [id - 1] */
	size_t ntypes, types_capacity;
	struct tables_shape *shapes; /* [id - 1] */
	size_t nshapes, shapes_capacity;
	struct snap_label *labels;
	size_t nlabels, labels_capacity;
};

/* All zeros is empty. */
void tables_deinit(struct tables *t);
/* 0 or -ENOMEM. Ids must come in order, as the reader promises. */
int tables_string(struct tables *t, uint32_t id, const char *text, size_t size);
int tables_type(struct tables *t, const struct snap_type *type);
int tables_shape(struct tables *t, const struct snap_shape *shape);

/* Text of a string id; "" for 0. Valid until the next tables_string. */
const char *tables_text(const struct tables *t, uint32_t id, size_t *size_ret);
/* NULL for an id that is not defined. */
const struct snap_type *tables_find_type(const struct tables *t, uint32_t id);
/* The label of reference i of an object of this shape. */
struct snap_label tables_label(const struct tables *t, uint32_t shape, uint32_t i);

#endif
