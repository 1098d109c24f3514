/* SPDX-License-Identifier: MIT */
/* capture_facts - see capture_facts.h. */
#include "loader/capture/capture_facts.h"

#include <string.h>
#include <time.h>

#include "loader/capture/capture_words.h"

enum { FACTS_MAX = 24 };

struct fact_list {
	struct snap_fact facts[FACTS_MAX];
	size_t count;
};

static void capture_facts_add_number(struct fact_list *list, const char *key, uint64_t v)
{
	if (list->count < FACTS_MAX)
		list->facts[list->count++] =
			(struct snap_fact){ .key = key, .kind = SNAP_FACT_U64, .u64 = v };
}

static void capture_facts_add_measured(struct fact_list *list, const char *key,
				       uint64_t v)
{
	if (v)
		capture_facts_add_number(list, key, v);
}

static void capture_facts_add_text(struct fact_list *list, const char *key,
				   const char *text)
{
	if (*text && list->count < FACTS_MAX)
		list->facts[list->count++] = (struct snap_fact){ .key = key,
								 .kind = SNAP_FACT_TEXT,
								 .text = text,
								 .size = strlen(text) };
}

int capture_facts_finish(struct part *part, const struct capture_result *r)
{
	struct fact_list list = { .count = 0 };

	capture_facts_add_text(&list, "loader.version", PYMEM_VERSION);
	capture_facts_add_number(&list, "capture.time", (uint64_t)time(NULL));
	capture_facts_add_text(&list, "capture.status", capture_words_status(r->status));
	capture_facts_add_text(&list, "capture.method", r->method);
	capture_facts_add_text(&list, "capture.error", r->error);
	capture_facts_add_text(&list, "capture.note", r->note);
	capture_facts_add_text(&list, "capture.skipped_types", r->skipped);
	capture_facts_add_number(&list, "capture.retries", r->retries);
	capture_facts_add_number(&list, "capture.consistent", r->consistent);
	capture_facts_add_measured(&list, "predicted_pause_ns", r->predicted_pause_ns);
	capture_facts_add_measured(&list, "stopped_ns", r->stopped_ns);
	capture_facts_add_measured(&list, "gil_wait_ns", r->gil_wait_ns);
	capture_facts_add_measured(&list, "gil_held_ns", r->gil_held_ns);
	capture_facts_add_measured(&list, "fork_ns", r->fork_ns);
	capture_facts_add_measured(&list, "walk_ns", r->walk_ns);
	capture_facts_add_measured(&list, "child_dirty_bytes", r->child_dirty_bytes);
	capture_facts_add_number(&list, "capture.pid", (uint64_t)r->pid);
	capture_facts_add_measured(&list, "capture.parent", (uint64_t)r->parent);
	if (r->pss) {
		capture_facts_add_number(&list, "memory.rss", r->rss);
		capture_facts_add_number(&list, "memory.private", r->private);
		capture_facts_add_number(&list, "memory.pss", r->pss);
	}
	return part_finish(part, list.facts, list.count);
}
