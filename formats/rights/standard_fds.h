/* SPDX-License-Identifier: MIT */
/*
 * standard_fds - descriptors 0 to 2 where the caller closed some of them.
 *
 * The next file that a program opens gets the lowest free number: its own pipe or socket
 * would be standard output, and what is printed would go into it.
 */
#ifndef PYMEM_FORMATS_RIGHTS_STANDARD_FDS_H
#define PYMEM_FORMATS_RIGHTS_STANDARD_FDS_H

/*
 * First of all in main: each of the three that is closed is taken by one that can be
 * neither read nor written (EBADF, as if it were closed), and that is closed again in a
 * program started by us.  Ends the process where it has no descriptors left.
 */
void standard_fds_fill(void);

#endif
