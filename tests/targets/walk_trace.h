/* SPDX-License-Identifier: MIT */
/*
 * walk_trace - a sink that writes each event as a line of text, so that tests of
 * the walk do not depend on the snapshot format.  Numbers are decimal, addresses
 * and text hexadecimal:
 *
 *	S id text | T id name addr flags kind basic item | H id tail kind:name ...
 *	O addr type shape flags size refcount ref ... | V addr kind length hash text
 *	N id name native ident interp flags | F id thread depth func file line code obj
 *	R kind flags thread frame name target | B object data length owner source flags
 *	M start end name class perms rss pss dirty anonymous live objects
 *	C type checked mismatched ours theirs | E addr type text | K key value | P phase
 */
#ifndef PYMEM_TESTS_WALK_TRACE_H
#define PYMEM_TESTS_WALK_TRACE_H

#include "formats/core/sink.h"

struct walk_trace {
	struct snap_sink sink;
	int fd, error;
	size_t used;
	char buf[1 << 16];
};

void walk_trace_init(struct walk_trace *trace, int fd);
/* Writes out what is buffered. 0 or a negative errno. */
int walk_trace_flush(struct walk_trace *trace);

#endif
