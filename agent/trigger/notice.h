/* SPDX-License-Identifier: MIT */
/*
 * notice - what the triggers tell the program's user: one line on stderr each.  The
 * application runs on whatever it says.
 */
#ifndef PYMEM_AGENT_TRIGGER_NOTICE_H
#define PYMEM_AGENT_TRIGGER_NOTICE_H

#include "agent/base/phrase.h"

/* One line "pymem: sentence: detail"; detail may be NULL or "". Async-signal-safe. */
void notice_say(const char *sentence, const char *detail);

/* What a negative errno means, in words. Async-signal-safe. */
void notice_cause(struct phrase *t, long rc);
/* "pymem: sentence: path: why", of a negative errno. Async-signal-safe. */
void notice_say_cause(const char *sentence, const char *path, long rc);

#endif
