/* SPDX-License-Identifier: MIT */
/*
 * formats_events - what the tests of formats/ share: a producer of random but legal
 * events, a sink that writes down what it sees, and a buffer to write snapshots to.
 */
#ifndef PYMEM_TESTS_FORMATS_EVENTS_H
#define PYMEM_TESTS_FORMATS_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "formats/core/reader.h"
#include "formats/core/sink.h"
#include "formats/core/writer.h"

/* ---- bytes ---- */

struct bytes {
	uint8_t *data;
	size_t size, capacity;
};
/* A snap_write_fn; arg is a struct bytes. */
int bytes_append(void *arg, const void *data, size_t size);
void bytes_free(struct bytes *bytes);

/* ---- a log of events: one text per kind, in order; values go with objects ---- */

enum log_kind {
	LOG_FACTS,
	LOG_STRINGS,
	LOG_TYPES,
	LOG_SHAPES,
	LOG_OBJECTS,
	LOG_THREADS,
	LOG_FRAMES,
	LOG_ROOTS,
	LOG_MAPS,
	LOG_BUFFERS,
	LOG_CHUNKS,
	LOG_SHARED,
	LOG_ABSENT,
	LOG_SITES,
	LOG_TRACES,
	LOG_LINES,
	LOG_CHECKS,
	LOG_ERRORS,
	LOG_PROGRESS,
	LOG_END,
	LOG_KINDS
};

struct event_log {
	struct snap_sink sink;
	struct snap_sink *next; /* gets every event too; may be NULL */
	char *text[LOG_KINDS];
	size_t size[LOG_KINDS];
	FILE *file[LOG_KINDS];
	uint64_t objects, values;
	int finished, complete;	     /* by event_log_finish */
	struct snap_problem problem; /* code SNAP_OK = none */
};
void event_log_init(struct event_log *log, struct snap_sink *next);
/* Flushes the texts so that they can be compared. */
void event_log_flush(struct event_log *log);
void event_log_free(struct event_log *log);
/* Fails the test when the logs differ. */
void event_logs_equal(struct event_log *a, struct event_log *b);

/* Parser ops for one process whose arg is an event_log. */
extern const struct snap_parser_ops event_log_ops;

/* ---- random events ---- */

struct random {
	uint64_t state;
};
uint64_t random_next(struct random *r);
/* A number below n. */
uint64_t random_below(struct random *r, uint64_t n);

struct random_options {
	uint64_t seed;
	uint32_t objects;
	uint32_t max_refs;  /* of an ordinary object */
	uint32_t long_refs; /* one object has so many; 0 = none does */
	int no_values;
};
/* Sends events of every kind, END included; the first nonzero result of the sink. */
int random_events(struct snap_sink *sink, const struct random_options *options);

/* Writes a random snapshot; log (may be NULL) sees the events too. */
void random_snapshot(struct bytes *out, const struct random_options *options,
		     struct event_log *log);

#endif
