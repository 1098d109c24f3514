/* SPDX-License-Identifier: MIT */
/* machine - processors by their numbers in ELF files, for what is of another one. */
#ifndef PYMEM_LOADER_CPU_MACHINE_H
#define PYMEM_LOADER_CPU_MACHINE_H

#include <stdbool.h>

/* One that pymem-load isn't built for? */
bool machine_is_other(unsigned machine);
/*
 * What to do about a program for another processor, into text: "an aarch64 pymem-load is
 * needed", or that there is none.  Returns text.
 */
const char *machine_remedy(unsigned machine, char text[96]);

#endif
