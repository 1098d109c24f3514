/* SPDX-License-Identifier: MIT */
/*
 * history - how counts and bytes went over the snapshots of each process.
 *
 * A series belongs to one pid and one name (a type, or a path signature).  Every
 * snapshot adds one sample to each of its pid's series; a name that is missing
 * then counts as 0.  At HISTORY_SAMPLES samples every second one but the first
 * and the newest is forgotten, so memory is bounded and the whole time stays
 * visible.  Names are copied.
 */
#ifndef PYMEM_VIEWER_LIVE_HISTORY_H
#define PYMEM_VIEWER_LIVE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_SAMPLES = 128, HISTORY_MAX_SERIES = 20000 };

struct series {
	uint64_t pid;
	char *name;	  /* printable */
	uint32_t samples; /* how many of the values */
	double count[HISTORY_SAMPLES], bytes[HISTORY_SAMPLES];
};

struct history {
	struct series **series;
	size_t count, capacity;
	uint32_t *slots; /* open addressing: index + 1 in series */
	size_t nslots;
	uint64_t refused; /* names beyond HISTORY_MAX_SERIES */
};

/* All it holds, not the struct; it is empty then. */
void history_free(struct history *history);

/* One snapshot of pid: begin, any number of adds, end. Adding a name twice sums up. */
void history_begin(struct history *history, uint64_t pid);
/* 0, -ENOMEM, -ENOSPC (too many names). */
int history_add(struct history *history, uint64_t pid, const char *name, uint64_t count,
		uint64_t bytes);
void history_end(struct history *history, uint64_t pid);

/* Last minus first. */
double series_growth(const struct series *series, bool bytes);

#endif
