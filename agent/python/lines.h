/* SPDX-License-Identifier: MIT */
/*
 * lines - from a position in bytecode to a source line.
 *
 * CPython had three encodings: co_lnotab (3.6-3.9, Objects/lnotab_notes.txt),
 * co_linetable of 3.10 (PEP 626, same file), and the location table of 3.11 on
 * (PEP 657, Objects/locations.md, later InternalDocs/code_objects.md).  All are
 * walked from the start; a table that runs out gives what was known so far.
 */
#ifndef PYMEM_AGENT_PYTHON_LINES_H
#define PYMEM_AGENT_PYTHON_LINES_H

#include <stddef.h>
#include <stdint.h>

enum line_format { LINES_LNOTAB, LINES_310, LINES_LOCATIONS };

/*
 * The line of byte offset `addr` in the code whose first line is `first`.
 * addr < 0 (not started) gives `first`.  0 = that instruction has no line.
 */
uint32_t lines_lookup(enum line_format format, const unsigned char *table, size_t size,
		      uint32_t first, int64_t addr);

#endif
