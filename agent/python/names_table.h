/* SPDX-License-Identifier: MIT */
/*
 * names_table - names for what only tp_traverse tells of C types (heap/object/names.h
 * says how they are used).  Offsets are those of a 16-byte object head.
 */
#ifndef PYMEM_AGENT_PYTHON_NAMES_TABLE_H
#define PYMEM_AGENT_PYTHON_NAMES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpython;

/* One C type's fields. */
struct names_row {
	const char *types;     /* tp_name, or several with '|' between them */
	uint16_t since, until; /* 0x0306 <= minor version < until */
	/* "name@offset" or "name@pointer>offset", a space between; ! or ~ before */
	const char *fields;
	const char *rest; /* "[]" items, "{}" elements, a name, or NULL */
};

struct names_field {
	const char *name; /* size bytes */
	size_t size;
	uint32_t offset, via; /* via: not 0 = of a pointer to the block that has it */
	bool hidden;	      /* '!': tp_traverse does not tell of it */
	bool borrowed;	      /* '~': the same, and it is not owned */
};

/* The rows of this version for a C type, by its tp_name: the one after `after`
 * (NULL: the first); NULL = no more. */
const struct names_row *names_table_next(const struct cpython *py, const char *type,
					 const struct names_row *after);

/* Reads the field that a row's text begins with; returns what follows it. */
const char *names_table_field(const char *at, struct names_field *ret);

#endif
