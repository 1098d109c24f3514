/* SPDX-License-Identifier: MIT */
/*
 * greenlet - the frames of suspended greenlets (gevent, eventlet).
 *
 * Up to 3.10 a greenlet holds its top frame object, and frames own their
 * variables.  Since 3.11 the frames of a suspended greenlet lie on a data stack of
 * its own, which nothing but the greenlet's C++ state refers to: their variables
 * would look held by nobody.  That state is private and changes, so the three words
 * that greenlet saves from the thread state are looked for instead
 * (frames/data_stack.h).  Frames follow one another in a chunk; each is as long as its
 * code says.  What they hold becomes references of the greenlet, named by the variables;
 * the chunks are native memory of the greenlet's.
 *
 * What C code holds that waits in the greenlet lies on the C stack, which is copied
 * away when another one runs: {start, stop, copy, bytes saved}.  Words of the copy that
 * are addresses of objects become references too: they may be borrowed or stale, so
 * they are the tail STACK of the greenlet's shape (formats/SNAPSHOT.md).
 */
#ifndef PYMEM_AGENT_HEAP_EXTENSION_GREENLET_H
#define PYMEM_AGENT_HEAP_EXTENSION_GREENLET_H

#include "agent/heap/core/specialist.h"

extern const struct specialist greenlet_specialists[];

#endif
