/* SPDX-License-Identifier: MIT */
/*
 * profile - the heap as profilers tell what they measured: stacks of frames, and bytes.
 *
 *	(GC roots)
 *	(modules)
 *	shop.cache
 *	shop.cache.STORE
 *	shop.cache.STORE['sessions']
 *	shop.cache.STORE['sessions'][*]        which holds the memory
 *	<shop.models.Session>                  and what it is: the leaf
 *
 * A frame is a place (growth.h: objects that are reached by equal steps over equal types
 * along the shortest paths), named by the step to it; a __dict__ adds none.  A sample is
 * what one place has of one type: objects, their own bytes as sys.getsizeof says
 * (shallow), and all their bytes, those outside of them included, each once (retained: by
 * a frame's sum over all stacks through it, what is reached through that place).  All
 * three add up to the whole heap.  Native memory is a leaf of its own, of no object; of
 * what several objects own only one place has it.
 *
 * No name depends on how many there are: else the difference of two profiles would tell
 * of places that came and went.  Of keys only those that a program's text has are names
 * (growth_build_places); indexes, sizes and lines are in none, and numbers in the names
 * of threads are "N".  Stacks with less than a ten-thousandth of the heap's bytes, of
 * either kind, and less than a two-thousandth of its objects (powers of two: the same
 * for two heaps alike) are counted for the place above, still by type, and so is what
 * lies deeper than PROFILE_DEPTH.
 */
#ifndef PYMEM_VIEWER_DOCUMENT_PROFILE_H
#define PYMEM_VIEWER_DOCUMENT_PROFILE_H

#include "formats/export/intern.h"
#include "viewer/analysis/growth.h"
#include "viewer/text/text.h"

enum { PROFILE_DEPTH = 200, PROFILE_NAME = 240 /* characters of a whole name */ };

#define PROFILE_NO_LEAF UINT32_MAX

struct profile_frame {
	uint32_t parent; /* index, smaller; the first's is itself */
	uint32_t step;	 /* text: what is added to the parent's name */
	uint32_t depth;
};

struct profile_value {
	uint64_t count, shallow, retained;
};

struct profile_sample {
	uint32_t frame;
	uint32_t leaf; /* text: what it is; PROFILE_NO_LEAF: a block without an object */
	struct profile_value value;
};

/* What stacks are of: places by name, or allocation sites.  The values of the latter:
 * blocks, the sizes of the objects in them, the blocks' own bytes. */
enum profile_of { PROFILE_OF_PLACES, PROFILE_OF_SITES, PROFILE_OF_COUNT };

struct profile {
	const struct analysis *analysis;
	enum profile_of of;
	struct intern text;
	struct vec frame;  /* struct profile_frame; parents first */
	struct vec sample; /* struct profile_sample, in the order of the tree */
	struct vec slot;   /* while it is made: number + 1 of frame or sample by hash */
};

/* 0, -ENOMEM or -ECANCELED; free with profile_free in any case. */
int profile_make(struct analysis *analysis, const struct progress *progress,
		 struct profile *ret);
/* The same of allocation sites; -ENODATA: tracemalloc was not tracing. */
int profile_sites_make(struct analysis *analysis, const struct progress *progress,
		       struct profile *ret);
void profile_free(struct profile *profile);
/* For those that make one: adds to the sample of this frame and leaf (0 or -ENOMEM),
 * slot is to be freed after all of them; brings samples into order. */
int profile_add_sample(struct profile *profile, uint32_t frame, uint32_t leaf,
		       const struct profile_value *value);
int profile_sort(struct profile *profile);

static inline uint32_t profile_frames(const struct profile *p)
{
	return (uint32_t)VEC_COUNT(p->frame, struct profile_frame);
}
static inline uint32_t profile_samples(const struct profile *p)
{
	return (uint32_t)VEC_COUNT(p->sample, struct profile_sample);
}

/* Appends a frame's whole name, its middle left out where it is long; its step alone. */
void profile_name(struct text *out, const struct profile *profile, uint32_t frame);
void profile_step(struct text *out, const struct profile *profile, uint32_t frame);
/* Appends a sample's leaf. */
void profile_leaf(struct text *out, const struct profile *profile, uint32_t leaf);
/* A sample's frames, the root's first, in ret (of PROFILE_DEPTH + 1); how many. */
uint32_t profile_stack(const struct profile *profile, const struct profile_sample *sample,
		       uint32_t *ret);

#endif
