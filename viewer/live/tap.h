/* SPDX-License-Identifier: MIT */
/*
 * tap - a sink that passes every event on to another and looks at the progress
 * events on the way.
 */
#ifndef PYMEM_VIEWER_LIVE_TAP_H
#define PYMEM_VIEWER_LIVE_TAP_H

#include "formats/core/sink.h"

struct tap {
	struct snap_sink sink;	/* to be fed */
	struct snap_sink *next; /* gets everything; not owned */
	void (*progress)(void *arg, const struct snap_progress *);
	void *arg;
};

/* Events pass on to next; progress events go to progress(arg, ...) as well. */
void tap_init(struct tap *tap, struct snap_sink *next,
	      void (*progress)(void *arg, const struct snap_progress *), void *arg);

#endif
