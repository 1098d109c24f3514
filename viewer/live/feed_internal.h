/* SPDX-License-Identifier: MIT */
/* feed_internal - the state of a feed, and its socket, which feed_socket.c makes. */
#ifndef PYMEM_VIEWER_LIVE_FEED_INTERNAL_H
#define PYMEM_VIEWER_LIVE_FEED_INTERNAL_H

#include <sys/socket.h>
#include <sys/types.h>

#include "viewer/live/feed.h"
#include "viewer/live/tap.h"

/* One connection. */
struct stream {
	struct feed *feed;
	int fd;
	bool inherited;
	long pid; /* of the peer, 0 = unknown */
	struct snap_parser *parser;
	struct tap tap;
	struct incoming *in; /* arriving now, or NULL */
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
	int listener; /* -1 = none */
	char path[108];
	dev_t dev; /* of the socket we made, so that only it is removed */
	ino_t ino;
};

/* Accepts one waiting peer: its descriptor, and who it is (uid -1: unknown); -1: there is
 * none. */
int feed_socket_accept(const struct feed *feed, struct ucred *peer_ret);
void feed_close_socket(struct feed *feed);

#endif
