/* SPDX-License-Identifier: MIT */
/*
 * moved - for a CPython that is newer than the tables: where the parts of a str, a dict
 * and an int lie in it, found by samples that every interpreter has.
 *
 * What these samples prove is read as ever; a layout that none of them explains is not
 * walked at all, since every name and most references would be wrong.  Samples are, of
 * str, the static ones in _PyRuntime, whose texts tell their own lengths; of dict,
 * sys.modules; of int, sys.maxsize.
 */
#ifndef PYMEM_AGENT_PYTHON_MOVED_H
#define PYMEM_AGENT_PYTHON_MOVED_H

#include "agent/python/cpython.h"

/*
 * Corrects py->lay, which holds the newest tables.  NULL, or what is not understood.
 * Safe reads only; needs what the probe of builtin types has filled in.
 */
const char *moved_find(struct cpython *py);

#endif
