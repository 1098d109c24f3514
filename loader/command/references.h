/* SPDX-License-Identifier: MIT */
/*
 * references - the pictures of -s and -ss: for chosen types of a finished
 * snapshot, what they refer to and what refers to them, drawn by pymem-view.
 */
#ifndef PYMEM_LOADER_COMMAND_REFERENCES_H
#define PYMEM_LOADER_COMMAND_REFERENCES_H

#include "loader/command/load_options.h"

/*
 * Draws for every process in `file`: the options' N biggest types (by total
 * size) and, for each NAME, the biggest type whose name contains it.  The
 * pictures lie beside the snapshot: ref_<pid>_<type>.png, backref_<pid>_<type>.png.
 * Each one that was really written is told through `said` ("wrote ...") and given to
 * the options' upload command; each one that was not is told with the reason.
 * Returns how many were not, or -1 when the snapshot couldn't be read.
 */
int references_draw(const struct load_options *options, const char *viewer,
		    const char *file, void (*said)(void *arg, const char *line),
		    void *arg);

#endif
