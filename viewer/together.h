/* SPDX-License-Identifier: MIT */
/*
 * together - the memory of several processes: what each has alone, and what all have,
 * pages that they share counted once (by the kernel's Pss, a page's part of each; facts
 * that pymem-load writes).
 */
#ifndef PYMEM_VIEWER_TOGETHER_H
#define PYMEM_VIEWER_TOGETHER_H

#include <stdio.h>

#include "viewer/text/text.h"
#include "viewer/workspace.h"

/* Bytes of all processes of the workspace together; 0: fewer than two are known, or two
 * snapshots are of one process. */
uint64_t together_total(const struct workspace *workspace);
/* "3.1 MiB of its own, 27.8 MiB shared" of a process; appends nothing if not known. */
void together_text(struct text *out, const struct process *process);
/* Appends "memory of 4 processes: 45.2 MiB together, ..." where the total is known. */
void together_title(struct text *out, const struct workspace *workspace);
/* The title, and a line for each process. */
void together_print(FILE *out, const struct workspace *workspace);

#endif
