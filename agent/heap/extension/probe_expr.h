/* SPDX-License-Identifier: MIT */
/*
 * probe_expr - the arithmetic of probes: where a field of a C struct is and what
 * it says.  Grammar (all numbers 64 bits, blanks free):
 *
 *	sum     = product { ("+" | "-") product }
 *	product = atom { "*" atom }
 *	atom    = number | "(" sum ")" | "[" sum "]" [ ":" type ] | name
 *	        | "malloc(" sum ")" | "chunks(" sum { "," number } ")"
 *	type    = u8 | u16 | u32 | u64 | i8 | i16 | i32 | i64       (u64 if left out)
 *	name    = obj | data | length | result | out0 .. out3
 *
 * [x] is the word at address x.  malloc(x) is the size of glibc's allocation at
 * x.  chunks(x, a, b...) is that of x and of everything it reaches through the
 * pointers at offsets a, b... of each allocation: a linked tree.
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_PROBE_EXPR_H
#define PYMEM_AGENT_HEAP_EXTENSION_PROBE_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROBE_OUTS = 4, PROBE_STACK = 1 << 20 };

/* What names mean during an evaluation. */
struct probe_scope {
	uint64_t obj, data, length, result, out[PROBE_OUTS];
	uint64_t *stack; /* PROBE_STACK words for chunks(); may be NULL */
	/* called with each allocation that malloc() and chunks() count; may be NULL */
	void (*claim)(void *arg, uint64_t addr);
	void *arg;
};

enum probe_status {
	PROBE_OK = 0,
	PROBE_UNREADABLE, /* an address in it is not mapped */
	PROBE_SYNTAX,	  /* the text is no expression */
};

/* Evaluates text[0..size). Never faults. */
enum probe_status probe_expr_eval(const char *text, size_t size,
				  const struct probe_scope *scope, uint64_t *ret);

#endif
