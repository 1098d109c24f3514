/* SPDX-License-Identifier: MIT */
/*
 * fortran - the functions and modules that f2py makes of Fortran's (scipy.linalg).
 *
 * Each has a dict with its name, a new str "function dgemm" of which one reference was
 * never given back (numpy/f2py/src/fortranobject.c up to 1.25, PyFortranObject_NewAsAttr:
 * PyDict_SetItemString takes one of its own).  Nothing holds it; it is told as the
 * object's.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_FORTRAN_H
#define PYMEM_AGENT_HEAP_EXTENSION_FORTRAN_H

#include "agent/heap/core/specialist.h"

extern const struct specialist fortran_specialists[];

#endif
