/* SPDX-License-Identifier: MIT */
/*
 * fields - what C types hold that tp_members does not tell: names for what
 * tp_traverse reports, and references that it keeps silent about.
 *
 * Offsets are for a 16-byte object head.  A row that a build might not have is
 * marked CHECK: what lies there must prove to be an object.
 */
#ifndef PYMEM_AGENT_PYTHON_FIELDS_H
#define PYMEM_AGENT_PYTHON_FIELDS_H

#include <stdint.h>

struct cpython;
struct layout;

enum field_flags {
	FIELD_CHECK = 1, /* may hold something else */
	FIELD_GATE = 2,	 /* only there when the byte at `gate` is not 0 */
};

struct field_row {
	const char *type;      /* tp_name */
	uint16_t since, until; /* 0x0306 <= minor version < until */
	uint16_t offset;
	uint8_t kind; /* enum snap_label_kind */
	uint8_t flags, gate;
	const char *name; /* NULL = none */
};

/* The rows of this version for a C type, by its tp_name: the one after `after`
 * (NULL: the first); NULL = no more. */
const struct field_row *fields_next(const struct cpython *py, const char *type,
				    const struct field_row *after);

/* Where a function has what the walk itself looks at, in a version (0x030b07 = 3.11.7)
 * whose objects have a head of so many bytes. */
void fields_fill(struct layout *lay, uint32_t version, uint16_t head);

#endif
