/* SPDX-License-Identifier: MIT */
/*
 * follow_text - what arrives, as lines, where there is no terminal to draw on.
 *
 * One line per snapshot, and below it the types that grew most since the
 * previous one of the same process.
 */
#ifndef PYMEM_VIEWER_LIVE_FOLLOW_TEXT_H
#define PYMEM_VIEWER_LIVE_FOLLOW_TEXT_H

#include <stdio.h>

/*
 * Follows fd (-1 = none) and listens on path (NULL = not), and keeps what comes there in
 * that folder (NULL = not; saved.h), until the stream
 * is over, or for a listener until SIGINT, SIGTERM or SIGHUP.  Returns the exit
 * code: 0, 1 (said on stderr), 3 (some snapshot was truncated).
 */
int follow_text(int fd, const char *path, const char *folder, FILE *out);

#endif
