/* SPDX-License-Identifier: MIT */
/*
 * forge - from a fuzzer's bytes to an input for the reader.
 *
 * The first byte chooses how far the fuzzer is helped past the checks:
 *	0	the rest is the file as it is
 *	1	the same, with all header CRCs and frame CRCs made right
 *	2	the rest describes blocks: type, flags, count, raw size (two bytes),
 *content; framing, CRCs, ordinals and zstd frames are made around them
 */
#ifndef PYMEM_TESTS_FUZZ_FORGE_H
#define PYMEM_TESTS_FUZZ_FORGE_H

#include "fuzz.h"

/* A malloc'ed input made from data; never NULL unless out of memory. */
uint8_t *forge_input(const uint8_t *data, size_t size, size_t *size_ret);

#endif
