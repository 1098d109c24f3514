/* SPDX-License-Identifier: MIT */
/*
 * leftovers - objects that nothing leads to: no collector's list, root or reference.
 *
 * A C extension that lost a counted reference to a str, or keeps one where nobody
 * looks (a C++ container, a block of malloc), has objects that only its allocator
 * knows.  So every block that pymalloc has given out, and every larger one of malloc,
 * is looked at: where an object would begin in it (behind the gc header, if its type
 * has one) must lie one by all tests (walk_is_object), of a type that is known, and
 * just as big as the block.  Such an object is written with no reference to it, so
 * that its reference count shows as hidden; what it holds is walked as ever.
 *
 * Objects the collector tracks are on its lists, so what is found here is not
 * tracked: leaves, and containers of nothing but leaves.
 */
#ifndef PYMEM_AGENT_HEAP_SCAN_LEFTOVERS_H
#define PYMEM_AGENT_HEAP_SCAN_LEFTOVERS_H

struct walk;

/* After all else was found. In a copy only: in place other threads' malloc goes on. */
void leftovers_scan(struct walk *w);

#endif
