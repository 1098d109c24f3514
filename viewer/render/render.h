/* SPDX-License-Identifier: MIT */
/*
 * render - tables as text for people, JSON and CSV for programs.
 *
 * JSON (schema 1): {"schema":1,"report":NAME,"processes":[{"pid":N,"python":"3.11.7",
 * "file":"...","complete":true,"rows":[{key:value,...}]}]}; integers in bytes and
 * nanoseconds, ratios as numbers, unknown as null.
 *
 * A query's answer is of no one process, and may have more rows than memory: it is put
 * batch by batch.  JSON: {"schema":1,"report":"sql","complete":true,"rows":[...],
 * "total":N}.
 */
#ifndef PYMEM_VIEWER_RENDER_RENDER_H
#define PYMEM_VIEWER_RENDER_RENDER_H

#include <stdio.h>

#include "viewer/report/report.h"
#include "viewer/workspace.h"

struct renderer {
	const char *name; /* of --format */
	void (*begin)(FILE *out, const struct report *report);
	/* A process's table in three: what comes before its rows (index: of the process,
	 * from 0); the rows, maybe in several batches (before: rows put already); what
	 * comes after them (rows: put in all). */
	void (*head)(FILE *out, const struct report *report,
		     const struct process *process, unsigned index,
		     const struct table *table);
	void (*body)(FILE *out, const struct report *report, const struct table *table,
		     uint64_t before);
	void (*tail)(FILE *out, const struct report *report, const struct table *table,
		     uint64_t rows);
	void (*end)(FILE *out, const struct report *report);
	/* before: rows of earlier batches; problem: "" or why the answer isn't complete.
	 * The first batch is put even without rows. */
	void (*rows)(FILE *out, const struct table *table, uint64_t before,
		     const char *problem);
	void (*rows_end)(FILE *out, uint64_t rows);
};

extern const struct renderer render_text, render_json, render_csv;
/* By its name; NULL = none. */
const struct renderer *renderer_find(const char *name);

#endif
