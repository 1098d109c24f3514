/* SPDX-License-Identifier: MIT */
/* removal - of a file that is of no more use, by this process's own rights. */
#ifndef PYMEM_VIEWER_FILES_REMOVAL_H
#define PYMEM_VIEWER_FILES_REMOVAL_H

/* 0 or a negative errno; -EEXIST: what has the name is no regular file, and stays. */
int removal_of_file(const char *path);

#endif
