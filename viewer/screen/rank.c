/* SPDX-License-Identifier: MIT */
#include "viewer/screen/rank.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES = 64 * 16 + 16 };

/* Descending: 0 is the heaviest class. Exponent and the four bits below it. */
static unsigned rank_class_of(uint64_t weight)
{
	if (weight < 16)
		return CLASSES - 1 - (unsigned)weight;
	unsigned exponent = 63 - (unsigned)__builtin_clzll(weight);
	unsigned mantissa = (unsigned)(weight >> (exponent - 4)) & 15;
	return CLASSES - 1 - (16 + (exponent - 4) * 16 + mantissa);
}

struct context {
	uint64_t (*weight)(const void *arg, uint32_t id);
	const void *arg;
};

static int rank_compare(const void *pa, const void *pb, void *arg)
{
	const struct context *c = arg;
	uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
	uint64_t wa = c->weight(c->arg, a), wb = c->weight(c->arg, b);

	if (wa != wb)
		return wa < wb ? 1 : -1;
	return (a > b) - (a < b);
}

static int rank_step(const struct progress *p, size_t i, size_t n)
{
	return i % PROGRESS_EVERY ? 0 : progress_step(p, "ranking", i, n);
}

int rank_ids(uint32_t *ids, size_t n, uint64_t (*weight)(const void *, uint32_t),
	     const void *arg, const struct progress *progress)
{
	struct context c = { weight, arg };
	size_t start[CLASSES + 1] = { 0 };
	uint32_t *out = malloc((n + 1) * sizeof(*out));
	int err = out ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && !err; i++) {
		start[rank_class_of(weight(arg, ids[i])) + 1]++;
		err = rank_step(progress, i, 2 * n);
	}
	for (unsigned k = 0; k < CLASSES; k++)
		start[k + 1] += start[k];
	size_t at[CLASSES];
	memcpy(at, start, sizeof(at));
	for (size_t i = 0; i < n && !err; i++) {
		out[at[rank_class_of(weight(arg, ids[i]))]++] = ids[i];
		err = rank_step(progress, n + i, 2 * n);
	}
	if (!err)
		memcpy(ids, out, n * sizeof(*ids));
	free(out);
	for (unsigned k = 0; k < CLASSES && !err && start[k] < RANK_EXACT; k++)
		if (start[k + 1] - start[k] <= 4 * (size_t)RANK_EXACT)
			qsort_r(ids + start[k], start[k + 1] - start[k], sizeof(*ids),
				rank_compare, &c);
	return err;
}
