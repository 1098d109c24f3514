/* SPDX-License-Identifier: MIT */
/*
 * jsonl - what the two halves of the JSON export share: jsonl.c reads and gathers,
 * jsonl_lines.c writes.
 */
#ifndef PYMEM_FORMATS_EXPORT_JSONL_H
#define PYMEM_FORMATS_EXPORT_JSONL_H

#include <stdbool.h>

#include "formats/export/json.h"
#include "formats/export/keys.h"
#include "formats/core/reader.h"
#include "formats/export/tables.h"

struct fact {
	char *key, *text; /* text NULL: a number */
	size_t size;
	uint64_t u64;
};

struct process {
	struct fact *facts;
	size_t nfacts;
	struct keys keys;
	bool complete;
	struct snap_problem problem; /* code SNAP_OK = none */
};

struct jsonl {
	struct snap_sink sink;		 /* of the current process */
	const struct snap_sink_ops *ops; /* of the current pass */
	struct process *processes;
	uint32_t nprocesses;
	struct process *current;
	struct tables tables;
	struct json json;
	bool object_open; /* an object's line waits for its value and its end */
	uint64_t object_addr;
};

static inline struct jsonl *jsonl_of(struct snap_sink *sink)
{
	return (struct jsonl *)sink;
}

/* Keeps a definition; 0 or -ENOMEM.  In every pass that looks at references. */
int jsonl_take_shape(struct snap_sink *sink, const struct snap_shape *shape);
/* The sink of the pass that writes. */
extern const struct snap_sink_ops jsonl_write_ops;
/* The process's own line; 0 or a negative errno. */
int jsonl_process(struct jsonl *e, uint32_t ordinal);
/* Ends the object's line that waits for a value, if there is one. */
void jsonl_finish_object(struct jsonl *e);

#endif
