/* SPDX-License-Identifier: MIT */
/*
 * rank - puts very many ids in order of weight, fast enough to wait for.
 *
 * A counting pass on the leading bits of the weight puts them into some
 * thousand classes of nearly equal weight, heaviest first; the classes that
 * hold the first RANK_EXACT ids are then sorted exactly, unless one class alone
 * holds more than four times as many.  Beyond that the order is right within
 * 6 %, which nobody scrolling that far will miss.
 */
#ifndef PYMEM_VIEWER_SCREEN_RANK_H
#define PYMEM_VIEWER_SCREEN_RANK_H

#include <stddef.h>
#include <stdint.h>

#include "viewer/analysis/progress.h"

enum { RANK_EXACT = 1000000 };

/* Reorders ids, heaviest first, equal ones by ascending id. 0, -ENOMEM or -ECANCELED
 * (then ids holds all ids still, in some order). */
int rank_ids(uint32_t *ids, size_t n, uint64_t (*weight)(const void *arg, uint32_t id),
	     const void *arg, const struct progress *progress);

#endif
