/* SPDX-License-Identifier: MIT */
/* torture_registers - what an injection may change of a thread's registers. */
#ifndef PYMEM_TESTS_TORTURE_REGISTERS_H
#define PYMEM_TESTS_TORTURE_REGISTERS_H

#include <stdbool.h>

/* Spins for a while with values in the registers of this CPU, and in errno; NULL:
 * all were there afterwards, else what wasn't. */
const char *torture_registers_changed(void);
/* Can that be told for this CPU? */
bool torture_registers_known(void);

#endif
