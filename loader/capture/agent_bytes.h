/* SPDX-License-Identifier: MIT */
/*
 * agent_bytes - the agent's file as a part of pymem-load-static, one frame of zstd.  Weak:
 * NULL in programs that are linked without agent_bytes.c, which is all others.
 */
#ifndef PYMEM_LOADER_CAPTURE_AGENT_BYTES_H
#define PYMEM_LOADER_CAPTURE_AGENT_BYTES_H

extern const unsigned char agent_bytes[] __attribute__((weak));
extern const unsigned char agent_bytes_end[] __attribute__((weak));

#endif
