/* SPDX-License-Identifier: MIT */
/*
 * pictures - the graphs that pymem-load wrote beside a snapshot (-s, -ss):
 * ref_<pid>_<type>.png and backref_<pid>_<type>.png, <type> being the last part of
 * the type's name with everything but letters, digits and _ replaced by _.
 */
#ifndef PYMEM_VIEWER_SCREEN_PICTURES_H
#define PYMEM_VIEWER_SCREEN_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pictures {
	char **names; /* of files that exist */
	size_t count;
};

/* Looks for pictures of pid in the folder of file. None found, or no memory: empty. */
void pictures_find(struct pictures *pictures, const char *file, uint64_t pid);
void pictures_free(struct pictures *pictures);
/* The picture of a type (raw name): what it refers to, or what refers to it (back); the
 * file's name without folder, NULL = there is none. */
const char *pictures_of(const struct pictures *pictures, const char *type, uint64_t pid,
			bool back);

#endif
