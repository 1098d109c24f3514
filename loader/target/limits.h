/* SPDX-License-Identifier: MIT */
/*
 * limits - why the kernel gives a process no more memory: which limit of its own it has
 * come near to (getrlimit(2): RLIMIT_AS, RLIMIT_DATA; vm.max_map_count).
 */
#ifndef PYMEM_LOADER_TARGET_LIMITS_H
#define PYMEM_LOADER_TARGET_LIMITS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Half a sentence about the limits that leave pid less room than an agent takes, with the
 * remedy; "" where none is near.  Returns buf.
 */
const char *limits_words(pid_t pid, char *buf, size_t size);
/* The same where pid can open no more files (EMFILE): its limit, and what helps. */
void limits_descriptors_words(pid_t pid, char *buf, size_t size);
/*
 * A copy of ours isn't held to what its original is: as far as we may, it has no limits
 * of memory, descriptors and CPU time.
 */
void limits_lift(pid_t copy);

#endif
