/* SPDX-License-Identifier: MIT */
/* human - numbers made readable. */
#ifndef PYMEM_VIEWER_TEXT_HUMAN_H
#define PYMEM_VIEWER_TEXT_HUMAN_H

#include <stdint.h>

/* "1.25 MiB" (B KiB MiB GiB TiB PiB), negative ones "-1.25 MiB". Returns buf. */
#define HUMAN_SIZE 32
const char *human_bytes(char buf[HUMAN_SIZE], int64_t bytes);
const char *human_bytes_u64(char buf[HUMAN_SIZE], uint64_t bytes);
/* With explicit sign: "+1.25 MiB", "-3 B", "0 B". */
const char *human_bytes_diff(char buf[HUMAN_SIZE], int64_t bytes);
/* "1,234,567" */
const char *human_count(char buf[HUMAN_SIZE], uint64_t count);
const char *human_count_diff(char buf[HUMAN_SIZE], int64_t count);
/* "-1,234" */
const char *human_integer(char buf[HUMAN_SIZE], int64_t number);
/* "12.3 %"; not quite all is never 100: "99.9917 %". */
const char *human_share(char buf[HUMAN_SIZE], double ratio);
/* Of nanoseconds since 1970: "2026-11-30 12:57:26", UTC. */
const char *human_time(char buf[HUMAN_SIZE], uint64_t ns);
/* "1.25 ms" */
const char *human_ns(char buf[HUMAN_SIZE], uint64_t ns);

#endif
