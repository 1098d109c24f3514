/* SPDX-License-Identifier: MIT */
#include "viewer/live/history.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void history_free(struct history *h)
{
	for (size_t i = 0; i < h->count; i++) {
		free(h->series[i]->name);
		free(h->series[i]);
	}
	free(h->series);
	free(h->slots);
	*h = (struct history){ 0 };
}

static uint64_t history_hash_of(uint64_t pid, const char *name)
{
	uint64_t hash = 1469598103934665603u ^ pid * 0x9e3779b97f4a7c15u;

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 1099511628211u;
	return hash ^ hash >> 29;
}

static bool history_is(const struct series *s, uint64_t pid, const char *name)
{
	return s->pid == pid && strcmp(s->name, name) == 0;
}

/* The slot that holds the series, or the empty one where it belongs. */
static size_t history_slot_of(const struct history *h, uint64_t pid, const char *name)
{
	size_t at = history_hash_of(pid, name) & (h->nslots - 1);

	while (h->slots[at] && !history_is(h->series[h->slots[at] - 1], pid, name))
		at = (at + 1) & (h->nslots - 1);
	return at;
}

static int history_grow(struct history *h)
{
	size_t capacity = h->capacity ? h->capacity * 2 : 256;
	struct series **series = realloc(h->series, capacity * sizeof(*series));

	if (!series)
		return -ENOMEM;
	h->series = series;
	h->capacity = capacity;
	uint32_t *slots = calloc(capacity * 2, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(h->slots);
	h->slots = slots;
	h->nslots = capacity * 2;
	for (size_t i = 0; i < h->count; i++)
		h->slots[history_slot_of(h, series[i]->pid, series[i]->name)] =
			(uint32_t)i + 1;
	return 0;
}

static uint32_t history_samples_of(const struct history *h, uint64_t pid)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->series[i]->pid == pid)
			return h->series[i]->samples;
	return 0;
}

/* Forgets every second sample but the first; the newest is still to come. */
static void history_thin(struct series *s)
{
	uint32_t n = 0;

	assert(s->samples <= HISTORY_SAMPLES);
	for (uint32_t i = 0; i < s->samples; i += 2) {
		s->count[n] = s->count[i];
		s->bytes[n++] = s->bytes[i];
	}
	s->samples = n;
}

void history_begin(struct history *h, uint64_t pid)
{
	for (size_t i = 0; i < h->count; i++) {
		struct series *s = h->series[i];
		if (s->pid != pid)
			continue;
		if (s->samples == HISTORY_SAMPLES)
			history_thin(s);
		s->count[s->samples] = s->bytes[s->samples] = 0;
	}
}

static struct series *history_new_series(struct history *h, uint64_t pid,
					 const char *name)
{
	struct series *s = calloc(1, sizeof(*s));
	char *copy = s ? strdup(name) : NULL;

	if (!copy) {
		free(s);
		return NULL;
	}
	s->pid = pid;
	s->name = copy;
	s->samples = history_samples_of(h, pid); /* zeroes for the time before */
	return s;
}

int history_add(struct history *h, uint64_t pid, const char *name, uint64_t count,
		uint64_t bytes)
{
	if (h->count == h->capacity) {
		int err = history_grow(h);
		if (err)
			return err;
	}
	size_t at = history_slot_of(h, pid, name);
	if (!h->slots[at]) {
		if (h->count == HISTORY_MAX_SERIES) {
			h->refused++;
			return -ENOSPC;
		}
		struct series *s = history_new_series(h, pid, name);
		if (!s)
			return -ENOMEM;
		h->series[h->count++] = s;
		h->slots[at] = (uint32_t)h->count;
	}
	struct series *s = h->series[h->slots[at] - 1];
	s->count[s->samples] += (double)count;
	s->bytes[s->samples] += (double)bytes;
	return 0;
}

void history_end(struct history *h, uint64_t pid)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->series[i]->pid == pid)
			h->series[i]->samples++;
}

double series_growth(const struct series *s, bool bytes)
{
	const double *v = bytes ? s->bytes : s->count;

	return s->samples ? v[s->samples - 1] - v[0] : 0;
}
