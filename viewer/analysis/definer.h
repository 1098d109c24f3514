/* SPDX-License-Identifier: MIT */
/*
 * definer - a class or a function is known by the module that defines it, not by one that
 * imports it.
 *
 * Several modules hold the same class at the same distance from the root.  A class's name
 * begins with the name of the module that defines it, and a function refers to that
 * module's dict (its globals): where such a module holds it too, its path goes through
 * there, private module or not.
 *
 * What a class holds and its instances too (logging.Logger.manager) is the class's, not
 * that of the one instance that some module happens to hold.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_DEFINER_H
#define PYMEM_VIEWER_ANALYSIS_DEFINER_H

#include "viewer/model/heap.h"

/* parent: u32 per node, holders on shortest paths (reach.h); some get another holder that
 * is as near to the root, or nearly. 0 or -ENOMEM. */
int definer_prefer(const struct heap *heap, uint32_t *parent);

#endif
