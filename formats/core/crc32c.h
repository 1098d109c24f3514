/* SPDX-License-Identifier: MIT */
/* crc32c - the Castagnoli CRC (iSCSI, ext4) over headers and compressed frames. */
#ifndef PYMEM_FORMATS_CORE_CRC32C_H
#define PYMEM_FORMATS_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C of data; pass 0 as crc to begin, or an earlier result to go on.
 * crc32c(0, "123456789", 9) == 0xe3069283.  Thread-safe; needs no set-up.
 */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);

/* The same without the CPU's instruction: for CPUs that lack it, and for tests. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif
