/* SPDX-License-Identifier: MIT */
/*
 * capture_words - why a capture failed or is partial, in one sentence that
 * names the cause and what can be done.
 */
#ifndef PYMEM_LOADER_CAPTURE_CAPTURE_WORDS_H
#define PYMEM_LOADER_CAPTURE_CAPTURE_WORDS_H

#include <stddef.h>

#include "loader/capture/capture.h"
#include "loader/capture/receive.h"

/* Of an enum capture_status: "complete", "partial", "failed". */
const char *capture_words_status(uint32_t status);

/*
 * error: the injection failed with it; NULL: it was injected, and got and the
 * job's part say how it went on.  The sentence is printable.
 */
void capture_words_error(const struct load_error *error, const struct receive_result *got,
			 const struct capture_job *job, char *ret, size_t size);

/* Who holds the GIL of pid, from its memory: "thread 123 (worker)", "" when unknown. */
void capture_words_gil_holder(pid_t pid, char *ret, size_t size);

#endif
