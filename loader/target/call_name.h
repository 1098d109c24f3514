/* SPDX-License-Identifier: MIT */
/* call_name - names of system calls, for people: "memfd_create (319)". */
#ifndef PYMEM_LOADER_TARGET_CALL_NAME_H
#define PYMEM_LOADER_TARGET_CALL_NAME_H

#include <stddef.h>

/* Writes name and number into buf, or the number alone if no name is known; returns
 * buf. */
const char *call_name(long nr, char *buf, size_t size);

#endif
