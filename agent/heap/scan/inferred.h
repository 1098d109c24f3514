/* SPDX-License-Identifier: MIT */
/*
 * inferred - native memory given to objects by following pointers.
 *
 * What malloc holds and no type tells about (memory/chunks.h) belongs to whoever leads
 * to it.  Every aligned word of a candidate (extension/candidates.h) and of a chunk that
 * is nobody's yet is taken for a pointer if it leads into such a chunk, anywhere in it;
 * small blocks of pymalloc that are no objects are passed through.  Then:
 *
 *  nearest	a chunk is that object's from which the fewest steps lead to it: so what
 *		a field of an object points to is its own, and neighbours in a linked
 *		list, or a statement that points to its connection, keep apart
 *  shared	what several objects of a type are equally near to is theirs together:
 *		written once, with how many share it; of different types, that of which
 *		there are fewer has it, and where fields point to it and one of the
 *		objects refers to the other, that
 *  levels	objects that refer to other candidates come after these: a cursor gets
 *		what its connection does not lead to
 *  ranks	of a library's types that with the fewest objects goes first
 *  buffers	chunks with few pointers among much else come last: these may be what
 *		the memory held before
 *  handles	then come ints that are the address of a chunk (scan/handles.h)
 *  libraries	chunks that a variable of a library points to and no object does are
 *		the library's, with what they lead to and nobody else has
 *
 * Each chunk is read once: linear in the bytes in use.  Nothing is read of pages that
 * are not in memory; of a large chunk whose beginning leads nowhere only samples are.
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_INFERRED_H
#define PYMEM_AGENT_HEAP_SCAN_INFERRED_H

struct walk;

/* After all objects and their buffers were written; in a copy only.  Writes buffers that
 * are marked inferred, chunks without an owner (scan/unowned.h), and facts. */
void inferred_run(struct walk *w);

#endif
