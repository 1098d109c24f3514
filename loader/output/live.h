/* SPDX-License-Identifier: MIT */
/*
 * live - the viewer opened on a capture that is still going on.
 *
 * Contract with the viewer:
 *
 *	pymem-view --live-fd N [--compare OLD] FILE
 *
 * N is an inherited descriptor (a SOCK_STREAM socket, read only) on which the
 * snapshot's bytes come as they are written: whole blocks of SNAPSHOT.md, in
 * order, then end of file.  FILE is the name that the snapshot will have when
 * it is complete: it need not exist before the end of file and is not read
 * before it.  If the first try of a walk failed and a second one is made, the
 * bytes of the second process follow those of the first, truncated one.
 * End of file without an END block: the capture failed or was cancelled.
 * The viewer may end at any time; the capture goes on without it.
 *
 * The same machinery serves -f -: standard output may be a slow network.
 *
 * Nothing here ever waits for the reader while a capture goes on: what it has not
 * taken yet is read again from the output file, so a viewer or a pipe that is slow,
 * or stopped with Ctrl-Z, holds up neither the walk nor the target.
 */
#ifndef PYMEM_LOADER_OUTPUT_LIVE_H
#define PYMEM_LOADER_OUTPUT_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct live {
	int fd;		     /* where the bytes go; -1 = nowhere (any more) */
	bool socket;	     /* fd is a socket, else it may be anything */
	bool spool;	     /* file is only a buffer: what was sent is punched out */
	int cancel_fd;	     /* readable: live_finish gives up; -1 = never */
	int error;	     /* negative errno that ended it; 0 = none */
	pid_t viewer;	     /* its pid, 0 = none was started, or it ended */
	int status;	     /* its wait status once it has ended, else -1 */
	int file;	     /* where the bytes are read again; our own duplicate */
	uint64_t sent, have; /* offsets in file: sent so far, written so far */
};

#define LIVE_NONE ((struct live){ .fd = -1, .file = -1, .cancel_fd = -1, .status = -1 })

/*
 * Starts `viewer` (a path) on a new socket; file: descriptor of the output,
 * readable (duplicated here); bytes from offset `start` on will be sent.  compare: an
 * older snapshot or NULL.  name: the output's final name.  0 or a negative errno.
 */
int live_start(struct live *live, const char *viewer, const char *compare,
	       const char *name, int file, uint64_t start);
/*
 * Relays to an open descriptor instead (both are duplicated); file is a scratch
 * file.  The descriptor's flags stay as they are: it is shared with others.
 */
int live_relay(struct live *live, int fd, int file, int cancel_fd);
/* Output now holds bytes up to offset `have`: sends what the viewer takes at once. */
void live_pump(struct live *live, uint64_t have);
/* True while bytes are waiting: poll live->fd for POLLOUT and pump again. */
bool live_pending(const struct live *live);
/*
 * A new try begins: the output is about to be cut to `start` and written again
 * from there.  What waits is sent first (nothing walks now: at most 10 s, then
 * the viewer gets end of file).
 */
void live_restart(struct live *live, uint64_t start);
/*
 * No more bytes will come: sends the rest (waiting as long as the reader lives and
 * nobody cancels), gives it end of file.  0, or a negative errno: not all was taken.
 */
int live_finish(struct live *live);
/* Waits for the viewer to end; its wait status, or -1 when there was none. */
int live_wait(struct live *live);

#endif
