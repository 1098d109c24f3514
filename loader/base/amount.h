/* SPDX-License-Identifier: MIT */
/* amount - numbers for people. */
#ifndef PYMEM_LOADER_BASE_AMOUNT_H
#define PYMEM_LOADER_BASE_AMOUNT_H

#include <stddef.h>
#include <stdint.h>

/* "1.5 GiB": powers of 1024, three digits or so. buf: at least 24 bytes. Returns buf. */
char *amount_bytes(char buf[24], uint64_t bytes);
/* "12,345,678". buf: at least 32 bytes. Returns buf. */
char *amount_count(char buf[32], uint64_t count);
/* "3.2 ms", "850 us", "12.5 s". buf: at least 24 bytes. Returns buf. */
char *amount_time(char buf[24], uint64_t ns);

#endif
