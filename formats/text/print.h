/* SPDX-License-Identifier: MIT */
/*
 * print - the only way from loader and viewer to a stream for people or programs.
 *
 * Every string that a format inserts is escaped (escape.h), whoever it is from: so no
 * call has to know which texts are ours.  tests/checks/output.py sees to it that no
 * object file of the two programs calls printf, puts, fwrite... by itself.
 *
 * Errors of the stream are sticky in it: ferror(), as with stdio.  A call makes one
 * write on an unbuffered stream as long as it prints less than 4 KiB.
 */
#ifndef PYMEM_FORMATS_TEXT_PRINT_H
#define PYMEM_FORMATS_TEXT_PRINT_H

#include <stddef.h>
#include <stdio.h>

/*
 * printf, of which it knows d i u x X o c s p f e g a, %, all flags, widths and
 * precisions, and the lengths hh h l ll j z t.  What the format itself says is printed
 * as it is; what %s and %c insert is escaped, and padded by characters, not bytes.
 */
void print_format(FILE *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Text of several lines: '\n' stays, all else is as with %s. */
void print_lines(FILE *out, const char *text);
/* A sentence of our own from a signal handler, to a descriptor: nothing is inserted. */
void print_in_handler(int fd, const char *sentence);
/* A JSON string with its quotes, in ASCII; what is no Unicode becomes U+FFFD. */
void print_json(FILE *out, const char *text, size_t size);

#endif
