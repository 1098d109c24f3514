/* SPDX-License-Identifier: MIT */
/*
 * reference_pictures - the pictures of -s and -ss: for chosen types of a finished
 * snapshot, what they refer to and what refers to them, drawn by pymem-view.
 */
#ifndef PYMEM_LOADER_COMMAND_REFERENCE_PICTURES_H
#define PYMEM_LOADER_COMMAND_REFERENCE_PICTURES_H

#include "loader/base/load_options.h"

/*
 * Draws for every process in `file`: the options' N biggest types (by total
 * size) and, for each NAME, the biggest type whose name contains it.  The
 * pictures lie beside the snapshot: ref_<pid>_<type>.png, backref_<pid>_<type>.png.
 * Each one that was really written is told through `said` ("wrote ...") and given to
 * the options' upload command; each one that was not is told with the reason.
 * Returns how many were not, or -1 when the snapshot couldn't be read.
 */
int reference_pictures_draw(const struct load_options *options, const char *viewer,
			    const char *file, void (*said)(void *arg, const char *line),
			    void *arg);

#endif
