/* SPDX-License-Identifier: MIT */
/*
 * moved - for a CPython that is newer than the tables: where the parts of a str, a dict
 * and an int lie in it, found by samples that every interpreter has.
 *
 * What these samples prove is read as ever; of objects whose layout none of them explains
 * nothing is read but what every object has: type, count, what their tp_traverse tells,
 * what their __sizeof__ says (layout.unknown).  Samples are, of str, the static ones in
 * _PyRuntime, whose texts tell their own lengths; of dict, sys.modules, by the texts of
 * its keys; of int, sys.maxsize, or where that can't be looked up the small ints in
 * _PyRuntime, which follow each other.
 */
#ifndef PYMEM_AGENT_PYTHON_MOVED_H
#define PYMEM_AGENT_PYTHON_MOVED_H

#include "agent/python/cpython.h"

/*
 * Corrects py->lay, which holds the newest tables, or adds what was not found to
 * lay.unknown.  Safe reads only; needs what the probe of builtin types has filled in.
 */
void moved_find(struct cpython *py);

#endif
