/* SPDX-License-Identifier: MIT */
/* core_unpack - packed core files, as systemd-coredump leaves them. */
#ifndef PYMEM_LOADER_CORE_CORE_UNPACK_H
#define PYMEM_LOADER_CORE_CORE_UNPACK_H

/* How the file is packed ("zstd", "lz4", "xz", "gzip"), by its first bytes; NULL: not. */
const char *core_unpack_kind(int fd);
/*
 * Unpacks fd into `scratch`, sparse where there are zeros.  0, or -1 with words in why:
 * a cut-off file gives what there is, and 0.
 */
int core_unpack(int fd, int scratch, char why[256]);

#endif
