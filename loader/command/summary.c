/* SPDX-License-Identifier: MIT */
/* summary - see summary.h. */
#include "loader/command/summary.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "formats/text/print.h"
#include "loader/capture/capture_words.h"
#include "loader/base/amount.h"

static void summary_times(FILE *out, const struct capture_result *r)
{
	const char *const what = r->free_threaded ? "all threads stopped" : "GIL held";
	char a[24], b[24], c[24], d[24];

	if (strcmp(r->method, "core") == 0)
		return; /* nobody was there to be paused */
	if (strcmp(r->method, "external") == 0)
		print_format(out, "  pause: fork %s\n", amount_time(a, r->fork_ns));
	else if (strcmp(r->method, "in-place") == 0)
		print_format(out, "  pause: %s %s (after a wait of %s)%s%s\n", what,
			     amount_time(a, r->gil_held_ns),
			     amount_time(b, r->gil_wait_ns),
			     r->preloaded ? "" : ", one thread stopped ",
			     r->preloaded ? "" : amount_time(c, r->stopped_ns));
	else
		print_format(out,
			     "  pause: %s %s, of it fork %s (after a wait of %s)%s%s\n",
			     what, amount_time(a, r->gil_held_ns),
			     amount_time(b, r->fork_ns), amount_time(c, r->gil_wait_ns),
			     r->preloaded ? "" : ", one thread stopped ",
			     r->preloaded ? "" : amount_time(d, r->stopped_ns));
}

static void summary_walk(FILE *out, const struct capture_result *r)
{
	char a[32], b[32], c[24], d[24];

	print_format(out, "  %s objects", amount_count(a, r->objects));
	if (r->edges)
		print_format(out, ", %s references", amount_count(b, r->edges));
	print_format(out, ", %s", amount_bytes(c, r->bytes));
	if (r->walk_ns)
		print_format(out, ", walked in %s", amount_time(d, r->walk_ns));
	if (r->walk_ns && r->objects)
		print_format(out, " (%.0f ns and %.1f bytes an object)",
			     (double)r->walk_ns / (double)r->objects,
			     (double)r->bytes / (double)r->objects);
	print_lines(out, "\n");
	if (r->child_dirty_bytes)
		print_format(out, "  the copy took %s of memory of its own\n",
			     amount_bytes(c, r->child_dirty_bytes));
}

void summary_text(FILE *out, const struct capture_result *r, const char *file)
{
	print_format(out, "%d (%s)", (int)r->pid, r->name[0] ? r->name : "?");
	if (r->python[0])
		print_format(out, ", Python %s", r->python);
	print_format(out, ": %s", capture_words_status(r->status));
	if (r->method[0])
		print_format(out, " (%s%s)", r->method,
			     r->preloaded ? ", through its own agent" : "");
	print_lines(out, "\n");
	if (r->error[0])
		print_format(out, "  %s\n", r->error);
	if (r->status != CAPTURE_FAILED) {
		summary_times(out, r);
		summary_walk(out, r);
	}
	if (r->skipped[0])
		print_format(out, "  references left out (they crashed the copy): %s\n",
			     r->skipped);
	if (r->note[0])
		print_format(out, "  note: %s\n", r->note);
	if (file && r->status != CAPTURE_FAILED)
		print_format(out, "  written to %s\n",
			     strcmp(file, "-") == 0 ? "standard output" : file);
}

static void summary_number(FILE *out, const char *key, uint64_t v)
{
	print_format(out, ",\"%s\":%" PRIu64, key, v);
}

static void summary_add_text(FILE *out, const char *key, const char *v)
{
	print_format(out, ",\"%s\":", key);
	if (v && *v)
		print_json(out, v, strlen(v));
	else
		print_lines(out, "null");
}

void summary_memory(FILE *out, const struct capture_result *r)
{
	summary_number(out, "rss", r->rss);
	if (!r->pss) {
		print_lines(out, ",\"private\":null,\"shared\":null,\"pss\":null");
		return;
	}
	summary_number(out, "private", r->private);
	summary_number(out, "shared", r->rss - r->private);
	summary_number(out, "pss", r->pss);
}

static void summary_json_one(FILE *out, const struct capture_result *r, const char *file)
{
	print_format(out, "{\"pid\":%d", (int)r->pid);
	summary_add_text(out, "file", r->status == CAPTURE_FAILED ? NULL : file);
	summary_add_text(out, "status", capture_words_status(r->status));
	summary_add_text(out, "error", r->error);
	summary_add_text(out, "method", r->method);
	summary_number(out, "stopped_ns", r->stopped_ns);
	summary_number(out, "gil_wait_ns", r->gil_wait_ns);
	summary_number(out, "gil_held_ns", r->gil_held_ns);
	summary_number(out, "fork_ns", r->fork_ns);
	summary_number(out, "walk_ns", r->walk_ns);
	summary_number(out, "objects", r->objects);
	summary_number(out, "edges", r->edges);
	summary_number(out, "bytes", r->bytes);
	summary_number(out, "child_dirty_bytes", r->child_dirty_bytes);
	summary_add_text(out, "python", r->python);
	summary_add_text(out, "note", r->note);
	summary_add_text(out, "skipped_types", r->skipped);
	summary_number(out, "retries", r->retries);
	summary_number(out, "predicted_pause_ns", r->predicted_pause_ns);
	summary_memory(out, r);
	print_format(out, ",\"consistent\":%s,\"cancelled\":%s,\"preloaded\":%s}",
		     r->consistent ? "true" : "false", r->cancelled ? "true" : "false",
		     r->preloaded ? "true" : "false");
}

void summary_json(FILE *out, const struct capture_result *results,
		  const char *const *files, size_t count)
{
	print_lines(out, "{\"schema\":1,\"snapshots\":[");
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			print_lines(out, ",");
		summary_json_one(out, &results[i], files[i]);
	}
	print_lines(out, "]}\n");
}

int summary_status(const struct capture_result *results, size_t count)
{
	size_t complete = 0, failed = 0;

	for (size_t i = 0; i < count; i++) {
		complete += results[i].status == CAPTURE_COMPLETE;
		failed += results[i].status == CAPTURE_FAILED;
	}
	assert(complete + failed <= count);
	return complete == count ? 0 : failed == count ? 1 : 3;
}
