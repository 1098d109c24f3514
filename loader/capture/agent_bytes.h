/* SPDX-License-Identifier: MIT */
/*
 * agent_bytes - the agent's file as a part of pymem-load-static, one frame of zstd, which
 * loader/CMakeLists.txt makes an object of.  Weak: NULL in all other programs.
 */
#ifndef PYMEM_LOADER_CAPTURE_AGENT_BYTES_H
#define PYMEM_LOADER_CAPTURE_AGENT_BYTES_H

extern const unsigned char agent_bytes[] __attribute__((weak));
extern const unsigned char agent_bytes_end[] __attribute__((weak));

#endif
