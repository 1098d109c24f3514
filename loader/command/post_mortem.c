/* SPDX-License-Identifier: MIT */
/* post_mortem - see post_mortem.h. */
#include "loader/command/post_mortem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "loader/base/foreground.h"
#include "loader/capture/agent_file.h"
#include "loader/capture/capture.h"
#include "loader/capture/capture_facts.h"
#include "loader/command/progress_line.h"
#include "loader/command/show.h"
#include "loader/command/summary.h"
#include "loader/core/core_reader.h"
#include "loader/output/output.h"
#include "loader/output/part.h"

static int post_mortem_feed(void *arg, const void *data, size_t size)
{
	return part_feed(arg, data, size);
}

static bool post_mortem_to_stdout(const struct load_options *o)
{
	return o->output && !strcmp(o->output, "-");
}

/* The reader's words: texts of a stranger's, and escaped as such. */
static void post_mortem_take(const struct core_walk_result *r, struct capture_result *ret)
{
	*ret = (struct capture_result){ .pid = r->pid,
					.status = CAPTURE_COMPLETE,
					.method = "core",
					.consistent = true,
					.walk_ns = r->walk_ns,
					.objects = r->objects,
					.edges = r->edges };
	escape_copy(ret->python, sizeof(ret->python), r->python, strlen(r->python));
	escape_copy(ret->name, sizeof(ret->name), r->name, strlen(r->name));
	escape_copy(ret->error, sizeof(ret->error), r->error, strlen(r->error));
	escape_copy(ret->note, sizeof(ret->note), r->note, strlen(r->note));
	if (r->error[0]) {
		ret->status = CAPTURE_FAILED;
	} else if (r->missing) {
		ret->status = CAPTURE_PARTIAL;
		snprintf(ret->error, sizeof(ret->error),
			 "the core is cut off: what lay in %" PRIu64
			 " bytes of memory is missing in the snapshot",
			 r->missing);
	}
}

/* Into the output, which is kept if anything of a heap is in it. */
static void post_mortem_read(const struct load_options *o, int cancel_fd,
			     struct output *output, struct capture_result *ret)
{
	struct core_walk_result result;
	char error[512];
	struct part part;
	struct core_reader_job job = {
		.core = o->core,
		.exec = o->exec,
		.sysroot = o->sysroot,
		.scratch = output_scratch(post_mortem_to_stdout(o) ? NULL : output->name,
					  error),
		.values = !o->no_values,
		.value_limit = o->value_limit,
		.cancel_fd = cancel_fd,
		.feed = post_mortem_feed,
		.feed_arg = &part
	};

	part_init(&part, output->fd, output->seekable, NULL);
	part.keeper.cancel_fd = cancel_fd;
	if (part_begin(&part) < 0) {
		*ret = (struct capture_result){ .status = CAPTURE_FAILED };
		snprintf(ret->error, sizeof(ret->error), "cannot write the snapshot: %s",
			 strerror(-part.error));
	} else {
		core_reader_run(&job, &result);
		post_mortem_take(&result, ret);
	}
	if (ret->status == CAPTURE_FAILED && part.state.objects && !ret->cancelled)
		ret->status = CAPTURE_PARTIAL;
	ret->bytes = part.written;
	if (ret->status != CAPTURE_FAILED && capture_facts_finish(&part, ret) < 0) {
		ret->status = CAPTURE_FAILED;
		snprintf(ret->error, sizeof(ret->error), "cannot write the snapshot: %s",
			 strerror(-part.error));
	}
	part_deinit(&part);
	if (job.scratch >= 0)
		close(job.scratch);
}

/* A report follows the snapshot. */
static bool post_mortem_talks(const struct load_options *o)
{
	return !o->quiet && !o->json && !post_mortem_to_stdout(o);
}

static void post_mortem_show(const struct load_options *o, const char *file)
{
	char viewer[4096];

	if (!post_mortem_talks(o) || foreground_told())
		return;
	if (agent_file_viewer(viewer) < 0)
		print_format(stderr,
			     "pymem-load: pymem-view was not found (beside this "
			     "program or on PATH): no report\n");
	else if (show_interactive())
		show_viewer(viewer, file, o->snapshot, 0);
	else
		show_reports(viewer, file, o->snapshot, 0);
}

/* A page, if one is wanted: false = it could not be written. */
static bool post_mortem_page(const struct load_options *o, const char *file)
{
	char viewer[4096];
	int status;

	if (!o->html)
		return true;
	if (agent_file_viewer(viewer) < 0)
		return false;
	if (foreground_told())
		return false;
	status = show_page(viewer, file, o->snapshot, o->html);
	return status == 0 || status == 3;
}

int post_mortem_run(const struct load_options *o, int cancel_fd)
{
	struct capture_result result = { 0 };
	const bool to_stdout = post_mortem_to_stdout(o);
	struct output output;
	char error[512];

	if (output_open(&output, o->output, 1, 0, error) < 0) {
		print_format(stderr, "pymem-load: %s\n", error);
		return 1;
	}
	post_mortem_read(o, cancel_fd, &output, &result);
	if (result.status == CAPTURE_FAILED) {
		output_discard(&output);
	} else if (output_commit(&output, error) < 0) {
		result.status = CAPTURE_FAILED;
		snprintf(result.error, sizeof(result.error), "%s", error);
	}
	const bool kept = result.status != CAPTURE_FAILED;
	const char *const file = kept ? output.name : NULL;
	progress_line_wipe();
	if (o->json)
		summary_json(stdout, &result, &file, 1);
	if (result.error[0])
		print_format(stderr, "pymem-load: %s\n", result.error);
	if (!o->quiet && !o->json && kept)
		summary_text(to_stdout ? stderr : stdout, &result, file);
	fflush(stdout);
	bool page = true;
	if (kept) {
		page = post_mortem_page(o, file);
		post_mortem_show(o, file);
	}
	const int status = summary_status(&result, 1);
	if (kept && foreground_told() && (o->html || post_mortem_talks(o))) {
		print_format(stderr,
			     "pymem-load: ended by %s: the snapshot is %s (%s), not all "
			     "that was asked for is made of it\n",
			     foreground_signal_name(foreground_told()),
			     status == 0 ? "whole" : "written", output.name);
		return 3;
	}
	return status || page ? status : 1;
}
