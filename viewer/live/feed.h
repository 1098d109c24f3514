/* SPDX-License-Identifier: MIT */
/*
 * feed - snapshots that arrive while one looks: an inherited stream, and the
 * connections of a listening unix socket.
 *
 * One connection carries one stream of snapshot bytes (SNAPSHOT.md), with one
 * or more processes in it.  Each process is an `incoming`: it fills a loader as
 * its blocks come, and at its end, whole or not, becomes a heap.  Everything is
 * driven by the owner's poll loop; nobody is waited for, a stalled sender costs
 * nothing but its memory.
 *
 * Who may send: the socket is 0600, and a peer must have our uid or be root
 * (SO_PEERCRED).  A peer is dropped, with one sentence, when its bytes are no
 * snapshot, when that cannot be told yet `hello_ms` after it connected, when
 * nothing comes for `idle_ms`, when it is slower than `min_rate` on average over
 * more than `idle_ms`, or when it would be one too many.  What it had sent of a
 * snapshot stays, marked as truncated.  The inherited stream has no deadlines.
 */
#ifndef PYMEM_VIEWER_LIVE_FEED_H
#define PYMEM_VIEWER_LIVE_FEED_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "formats/core/reader.h"
#include "viewer/model/heap.h"
#include "viewer/model/load.h"

enum { FEED_MAX_STREAMS = 64, FEED_MAX_POLL = FEED_MAX_STREAMS + 1 };

struct feed_limits {
	uint32_t hello_ms, idle_ms;
	uint32_t min_rate; /* bytes a second */
};

struct feed;

/* One process's snapshot on its way. */
struct incoming {
	struct loader *loader; /* while it arrives */
	uint64_t bytes;	       /* received on its connection since it began */
	uint64_t began_ns;     /* CLOCK_MONOTONIC */
	uint32_t ordinal;      /* in its stream */
	bool over, complete;
	struct heap *heap; /* once over; NULL: could not be made (problem says why) */
	char problem[320]; /* "" or one printable sentence */
	char phase[48];	   /* what the sender does now; printable */
	uint64_t done, estimate; /* of that phase, 0 = unknown */
	void *owner;		 /* for the owner's use */
};

struct feed_ops {
	/* A process begins to arrive. */
	void (*began)(void *arg, struct incoming *in);
	/* It is over: take in->heap (set it to NULL); in is freed after the call. */
	void (*ended)(void *arg, struct incoming *in);
	/* Something to tell: a peer was dropped, ... One printable sentence. */
	void (*note)(void *arg, const char *sentence);
};

/* NULL when out of memory. limits NULL: the default ones. ops and arg must outlive it. */
struct feed *feed_create(const struct feed_limits *limits, const struct feed_ops *ops,
			 void *arg);
/* Ends all streams (each open process through `ended`), removes the socket. NULL is
 * fine. */
void feed_destroy(struct feed *feed);

/* Follows fd, which the feed then owns. 0, or a negative errno. */
int feed_add(struct feed *feed, int fd);
/*
 * Makes a socket at path and listens. A socket nobody listens on is replaced;
 * anything else at that path is refused. 0, or -1 with a sentence in err.
 */
int feed_listen(struct feed *feed, const char *path, char *err, size_t size);

/* Keeps from now on what connections bring as files in that folder (saved.h), which must
 * outlive it. 0 or -ENOMEM. */
int feed_save(struct feed *feed, const char *folder);

/* The fds to poll, at most max; returns how many. */
int feed_poll(const struct feed *feed, struct pollfd *fds, int max);
/* Milliseconds until something is due, -1 = nothing. */
int feed_timeout(const struct feed *feed);
/* Takes what the polled fds have, a bounded piece of each, and drops who is overdue.
 * True when anything happened. */
bool feed_serve(struct feed *feed, const struct pollfd *fds, int n);

/* Streams that are open. */
int feed_open_streams(const struct feed *feed);
/* Whether it listens for more. */
bool feed_listens(const struct feed *feed);

#endif
