/* SPDX-License-Identifier: MIT */
/*
 * packages - whose the memory is: by package ("sqlalchemy") or by module
 * ("sqlalchemy.orm.session").
 *
 * An object is a package's when its class is defined there, when it is such a class, or
 * when it is one of its modules or their dict.  What is of builtins (a dict, a str, a
 * function) is held for the nearest of these above it in the dominator tree.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_PACKAGES_H
#define PYMEM_VIEWER_ANALYSIS_PACKAGES_H

#include "viewer/analysis/analysis.h"
#include "viewer/text/text.h"

struct package {
	size_t name;	   /* offset of its raw name in packages.names */
	uint64_t count;	   /* objects of its own, */
	uint64_t size;	   /* their bytes */
	uint64_t held;	   /* bytes of these and of what is held for them; all packages'
			     * add up to the heap's */
	uint64_t retained; /* bytes that its objects keep alive, each once; those of two
			     * packages may be the same */
	uint32_t node;	   /* its object that retains most; HEAP_NONE */
};

struct packages {
	struct vec all;	  /* struct package, most held first */
	struct vec names; /* bytes, NUL-terminated */
};

/* modules: by module instead.  0, -ENOMEM, -ECANCELED; packages_free in any case. */
int packages_build(struct packages *packages, struct analysis *analysis, bool modules,
		   const struct progress *progress);
void packages_free(struct packages *packages);
static inline const char *packages_name(const struct packages *packages,
					const struct package *package)
{
	return VEC(packages->names, const char) + package->name;
}

#endif
