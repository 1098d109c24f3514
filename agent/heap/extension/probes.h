/* SPDX-License-Identifier: MIT */
/*
 * probes - native memory of extension types, described in text.
 *
 * agent/PROBES.md is the manual.  A probe names the types it is for and says, in
 * the arithmetic of probe_expr.h, where their memory is and how much; or which C
 * function of a library knows.  Field probes are read while sweeping.  Probes that
 * call are kept for after the sweeps, and run in the copy only, where no harm can
 * come of them.  Functions are found in memory (core/elf.h), called by libffi.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_PROBES_H
#define PYMEM_AGENT_HEAP_EXTENSION_PROBES_H

#include "agent/heap/core/context.h"

/* The probes that come with the agent: probes_builtin.c. */
extern const char probes_builtin[];

/* Parses the built-in probes and those of the options. What can't be understood
 * becomes an error event that names the probe. */
void probes_begin(struct walk *w);

/* Sets type->native if a probe is for this type or one of its bases. */
bool probes_plan(struct walk *w, struct walk_type *type);

/* Runs the probes that call, for all objects that waited; in the copy only. */
void probes_finish(struct walk *w);

#endif
