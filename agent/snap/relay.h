/* SPDX-License-Identifier: MIT */
/*
 * relay - hands a walk's events to a second thread of the copy, which writes them.
 *
 * Walking (reading a frozen heap) and writing (encoding, compressing, sending) need
 * about the same time and share nothing, so they run side by side where there are two
 * CPUs.  The producer copies events into a ring of chunks; the consumer replays a
 * chunk when it is full, or when a progress event asks for it to be seen.  An event
 * too big for a chunk (a list of a million) is not copied: the producer waits until
 * the consumer is idle and calls the sink itself.
 *
 * An error of the sink reaches the producer with one of its next events.
 */
#ifndef PYMEM_AGENT_SNAP_RELAY_H
#define PYMEM_AGENT_SNAP_RELAY_H

#include "agent/base/arena.h"
#include "formats/core/sink.h"

struct relay;

/* A relay to `to`, its memory (1.3 MiB) from arena; NULL when there is no memory or no
 * thread can be had: the caller then uses `to` itself. */
struct relay *relay_start(struct arena *arena, struct snap_sink *to);

/* What to feed instead of `to`.  By one thread.  `end` returns when all is written. */
struct snap_sink *relay_sink(struct relay *relay);

/* Waits until all events so far have been replayed; 0 or the sink's error. */
int relay_drain(struct relay *relay);

/*
 * Replays what is left and ends the thread: when this returns it touches no memory any
 * more.  Must be called before any of the relay's memory is unmapped, however the walk
 * ended.  The relay is of no use after it.
 */
void relay_stop(struct relay *relay);

#endif
