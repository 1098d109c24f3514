/* SPDX-License-Identifier: MIT */
/*
 * calls - the addresses in the target's C library and dynamic loader that an
 * injection needs or must keep away from (struct target_calls in target.h).
 */
#ifndef PYMEM_LOADER_TARGET_CALLS_H
#define PYMEM_LOADER_TARGET_CALLS_H

#include "loader/target/target.h"

/* Name that the agent's memory file is given; /proc/PID/maps shows it. */
#define CALLS_AGENT_NAME "pymem"

/* Fills target->calls and target->code. 0, or -1 with *err: no dlopen, no gadget. */
int calls_find(struct target *target, struct load_error *err);
/* Is this the path of an agent's mapping (memfd, or the file used instead)? */
bool calls_is_agent_path(const char *path);
/* Is a thread that waits in the kernel at pc where musl lets it be cancelled? */
bool calls_waits_cancellable(const struct target *target, uint64_t pc);
/* A held lock of the dynamic loader: its owner's tid (target's view), 0 = all free. */
pid_t calls_loader_busy(const struct target *target, const struct memory *mem);

#endif
