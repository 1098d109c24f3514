/* SPDX-License-Identifier: MIT */
/* common - what several reports share. */
#ifndef PYMEM_VIEWER_REPORT_COMMON_H
#define PYMEM_VIEWER_REPORT_COMMON_H

#include "viewer/name/describe.h"
#include "viewer/report/report.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Cells described in place; scratch is cleared first. */
void row_node(struct row *row, struct text *scratch, const struct heap *heap,
	      uint32_t node);
void row_type(struct row *row, struct text *scratch, const struct heap *heap,
	      uint32_t type);
void row_value(struct row *row, struct text *scratch, const struct heap *heap,
	       uint32_t node);
void row_path(struct row *row, struct text *scratch, const struct analysis *a,
	      uint32_t node);
/* Escaped raw bytes. */
void row_raw(struct row *row, struct text *scratch, const char *bytes, size_t size);
void row_string(struct row *row, struct text *scratch, const struct heap *heap,
		uint32_t string);
/* Address of an object; unknown for synthetic nodes. */
void row_address(struct row *row, const struct heap *heap, uint32_t node);
double ratio_of(uint64_t part, uint64_t whole);

/* The type params->type names: 0 with table->error set when there is none such. */
uint32_t params_type(const struct heap *heap, const struct report_params *params,
		     struct table *table);
/* The node params->object names: HEAP_NONE with table->error set when there is none. */
uint32_t params_node(const struct heap *heap, const struct report_params *params,
		     struct table *table);

/* The `limit` objects with the largest keys, without sorting all. */
struct top_entry {
	uint64_t key;
	uint32_t id;
};
struct top {
	struct vec heap; /* struct top_entry; a min-heap until top_sort */
	size_t limit;	 /* 0 = all */
	uint64_t offered;
};
int top_offer(struct top *top, uint64_t key, uint32_t id); /* 0 or -ENOMEM */
void top_sort(struct top *top); /* largest key first, then lowest id */
void top_free(struct top *top);

#endif
