/* SPDX-License-Identifier: MIT */
/* text - numbers for people. */
#ifndef PYMEM_LOADER_TEXT_H
#define PYMEM_LOADER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* "1.5 GB": powers of 1024, three digits or so. buf: at least 24 bytes. Returns buf. */
char *text_bytes(char buf[24], uint64_t bytes);
/* "12,345,678". buf: at least 32 bytes. Returns buf. */
char *text_count(char buf[32], uint64_t count);
/* "3.2 ms", "850 us", "12.5 s". buf: at least 24 bytes. Returns buf. */
char *text_time(char buf[24], uint64_t ns);

#endif
