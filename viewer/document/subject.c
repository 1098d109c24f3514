/* SPDX-License-Identifier: MIT */
/* subject - from a snapshot's facts (subject.h). */
#include "viewer/document/subject.h"

#include <errno.h>
#include <time.h>

enum { SUBJECT_CHARACTERS = 200 };

static void subject_add(struct text *out, const struct heap *heap, const char *fact)
{
	size_t size = 0;
	const char *const text = heap_fact_text(heap, fact, &size);

	if (text)
		text_escape(out, text, size, SUBJECT_CHARACTERS, 0);
}

int subject_of(const struct heap *heap, struct subject *ret)
{
	struct tm tm;

	*ret = (struct subject){ .pid = heap_fact_u64(heap, "pid", 0),
				 .time_ns = heap_fact_u64(heap, "time_ns", 0) };
	subject_add(&ret->host, heap, "host");
	subject_add(&ret->command, heap, "cmdline");
	subject_add(&ret->python, heap, "python.version");
	const time_t seconds = (time_t)(ret->time_ns / 1000000000);
	if (seconds && gmtime_r(&seconds, &tm))
		text_printf(&ret->time, "%04d-%02d-%02dT%02d:%02d:%02dZ",
			    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
			    tm.tm_min, tm.tm_sec);
	return ret->host.err || ret->command.err || ret->python.err || ret->time.err ?
		-ENOMEM :
		0;
}

void subject_free(struct subject *s)
{
	text_free(&s->host);
	text_free(&s->command);
	text_free(&s->python);
	text_free(&s->time);
}
