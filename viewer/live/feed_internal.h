/* SPDX-License-Identifier: MIT */
/* feed_internal - the state of a feed. */
#ifndef PYMEM_VIEWER_LIVE_FEED_INTERNAL_H
#define PYMEM_VIEWER_LIVE_FEED_INTERNAL_H

#include "viewer/files/listener.h"
#include "viewer/live/feed.h"
#include "viewer/live/saved.h"
#include "viewer/live/tap.h"

/* One connection. */
struct stream {
	struct feed *feed;
	int fd;
	bool inherited;
	long pid; /* of the peer, 0 = unknown */
	struct snap_parser *parser;
	struct tap tap;
	struct saved_file *file; /* what came so far, or NULL */
	struct incoming *in;	 /* arriving now, or NULL */
	uint64_t began_ns, heard_ns, bytes;
	uint32_t snapshots; /* begun on it */
};

struct feed {
	struct feed_limits limits;
	const struct feed_ops *ops;
	void *arg;
	void *buffer;
	struct stream *streams[FEED_MAX_STREAMS]; /* oldest first: so snapshots of one
						   * process come out in their order */
	int nstreams;
	struct listener listener;
	struct saved *saved; /* NULL: nothing is kept as files */
};

#endif
