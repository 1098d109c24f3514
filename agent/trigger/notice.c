/* SPDX-License-Identifier: MIT */
/* notice - see notice.h. */
#include "agent/trigger/notice.h"

#include "agent/base/sys.h"
#include "agent/base/phrase.h"

void notice_say(const char *sentence, const char *detail)
{
	char buf[1024];
	struct phrase t;

	phrase_init(&t, buf, sizeof(buf) - 1);
	phrase_str(&t, "pymem: ");
	phrase_str(&t, sentence);
	if (detail && detail[0]) {
		phrase_str(&t, ": ");
		phrase_str(&t, detail);
	}
	buf[t.used++] = '\n';
	sys_write(2, buf, t.used);
}
