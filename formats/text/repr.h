/* SPDX-License-Identifier: MIT */
/*
 * repr - a float as Python prints it: the shortest digits that read back as the same
 * number, with an exponent below 1e-4 and from 1e16 on (CPython's float_repr_style
 * "short", Python/pystrtod.c).
 */
#ifndef PYMEM_FORMATS_TEXT_REPR_H
#define PYMEM_FORMATS_TEXT_REPR_H

/* The most bytes that repr_float makes, with the NUL. */
#define REPR_FLOAT_MAX 40

/* Writes it, NUL-terminated, in ASCII; nan, inf and -inf too. */
void repr_float(char out[REPR_FLOAT_MAX], double value);

#endif
