/* SPDX-License-Identifier: MIT */
/* notice - see notice.h. */
#include "agent/trigger/notice.h"

#include "agent/base/sys.h"
#include "agent/base/text.h"

void notice_say(const char *sentence, const char *detail)
{
	char buf[1024];
	struct text t;

	text_init(&t, buf, sizeof(buf) - 1);
	text_str(&t, "pymem: ");
	text_str(&t, sentence);
	if (detail && detail[0]) {
		text_str(&t, ": ");
		text_str(&t, detail);
	}
	buf[t.used++] = '\n';
	sys_write(2, buf, t.used);
}
