/* SPDX-License-Identifier: MIT */
/* session - see session.h. */
#include "loader/command/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/text/escape.h"
#include "formats/text/print.h"
#include "loader/command/convert.h"
#include "loader/command/progress_line.h"
#include "loader/command/reference_pictures.h"
#include "loader/command/summary.h"
#include "loader/command/show.h"
#include "loader/command/upload.h"
#include "loader/capture/side_by_side.h"
#include "loader/base/amount.h"
#include "loader/base/deadline.h"
#include "loader/base/fault.h"
#include "loader/base/foreground.h"

int session_init(struct session *s)
{
	s->count = s->options->pid_count;
	s->plans = calloc(s->count, sizeof(*s->plans));
	s->results = calloc(s->count, sizeof(*s->results));
	s->parts = calloc(s->count, sizeof(*s->parts));
	s->output.fd = -1;
	s->live = LIVE_NONE;
	s->has_viewer = agent_file_viewer(s->viewer) == 0;
	if (s->plans && s->results && s->parts)
		return 0;
	session_deinit(s);
	return -1;
}

void session_deinit(struct session *s)
{
	free(s->plans);
	free(s->results);
	free(s->parts);
	s->plans = NULL;
	s->results = NULL;
	s->parts = NULL;
}

static void session_complain(const struct capture_result *r)
{
	progress_line_wipe();
	print_format(stderr, "pymem-load: %d: %s\n", (int)r->pid, r->error);
}

static bool session_to_stdout(const struct session *s)
{
	const char *const output = s->options->output;

	return output ? strcmp(output, "-") == 0 : s->options->as != NULL;
}

/* True if people read what we print on the way. */
static bool session_talks(const struct session *s)
{
	return !s->options->quiet && !s->options->json;
}

static bool session_planned(const struct session *s, size_t i)
{
	return s->plans[i].pid && !s->plans[i].refusal[0];
}

static void session_plan_one(struct session *s, size_t i)
{
	struct capture_result *r = &s->results[i];
	struct plan *plan = &s->plans[i];
	struct load_error err = { 0 };
	const pid_t pid = s->options->pids[i];

	*r = (struct capture_result){ .pid = pid, .status = CAPTURE_FAILED };
	const uint64_t seconds = (s->options->timeout_ns + 999999999) / 1000000000;
	deadline_begin(pid, seconds < UINT_MAX ? (unsigned)seconds : 0, s->cancel_fd);
	fault_point("plan");
	const int made = plan_make(pid, s->options, plan, &err);
	deadline_end();
	if (made < 0) {
		escape_copy(r->error, sizeof(r->error), err.text, strlen(err.text));
		plan->pid = 0;
		return;
	}
	snprintf(r->name, sizeof(r->name), "%s", plan->name);
	snprintf(r->python, sizeof(r->python), "%s", plan->python);
	r->predicted_pause_ns = plan->pause_ns;
	r->rss = plan->rss;
	r->pss = plan->pss;
	r->private = plan->private;
	snprintf(r->error, sizeof(r->error), "%s", plan->refusal);
}

size_t session_plan(struct session *s)
{
	size_t good = 0;

	for (size_t i = 0; i < s->count; i++) {
		session_plan_one(s, i);
		const bool go = session_planned(s, i);
		if (s->plans[i].pid && session_talks(s) && !s->row)
			plan_print(&s->plans[i], s->options->dry_run ? stdout : stderr);
		else if (s->plans[i].pid && s->plans[i].wrong_exec)
			print_format(stderr, "pymem-load: %d: %s\n", (int)s->plans[i].pid,
				     s->plans[i].warnings[s->plans[i].warning_count - 1]);
		if (!go)
			session_complain(&s->results[i]);
		good += go;
	}
	return good;
}

static void session_plan_json(const struct plan *p, const struct capture_result *r)
{
	print_format(stdout, "{\"pid\":%d,\"python\":", (int)r->pid);
	print_json(stdout, r->python, strlen(r->python));
	print_format(stdout, ",\"method\":");
	const char *const method = !p->pid	  ? "" :
		p->in_place			  ? "in-place" :
		p->method == LOAD_METHOD_EXTERNAL ? "external" :
						    "agent";
	print_json(stdout, method, strlen(method));
	summary_memory(stdout, r);
	print_format(stdout,
		     ",\"predicted_pause_ns\":%" PRIu64 ",\"copy_bytes\":%" PRIu64
		     ",\"need_bytes\":%" PRIu64 ",\"free_bytes\":%" PRIu64
		     ",\"warnings\":[",
		     p->pause_ns, p->copy_bytes, p->need_bytes, p->headroom.free);
	for (unsigned i = 0; i < p->warning_count; i++) {
		print_lines(stdout, i ? "," : "");
		print_json(stdout, p->warnings[i], strlen(p->warnings[i]));
	}
	print_format(stdout, "],\"refused\":");
	if (r->error[0])
		print_json(stdout, r->error, strlen(r->error));
	else
		print_lines(stdout, "null");
	print_lines(stdout, "}");
}

/* Of several processes: what each has alone, and all together. */
static void session_print_memory(const struct session *s, FILE *out)
{
	char rss[24], private[24], shared[24];
	uint64_t sum = 0;
	size_t known = 0;

	for (size_t i = 0; i < s->count; i++) {
		known += s->plans[i].pss != 0;
		sum += s->plans[i].pss;
	}
	if (known < 2)
		return;
	print_format(
		out,
		"memory of %zu processes: %s together, shared memory in equal parts\n"
		"  process       resident    its own     shared\n",
		known, amount_bytes(rss, sum));
	for (size_t i = 0; i < s->count; i++) {
		const struct plan *p = &s->plans[i];

		if (p->pss)
			print_format(out, "  %-9d %12s %10s %10s  %s\n", (int)p->pid,
				     amount_bytes(rss, p->rss),
				     amount_bytes(private, p->private),
				     amount_bytes(shared, p->rss - p->private), p->name);
	}
}

int session_dry_run(struct session *s)
{
	const size_t good = session_plan(s);

	if (session_talks(s))
		session_print_memory(s, stdout);

	if (s->options->json) {
		print_lines(stdout, "{\"schema\":1,\"plans\":[");
		for (size_t i = 0; i < s->count; i++) {
			print_lines(stdout, i ? "," : "");
			session_plan_json(&s->plans[i], &s->results[i]);
		}
		print_lines(stdout, "]}\n");
	}
	return good == s->count ? 0 : 1;
}

/* The viewer opens when there is something to see. */
static void session_open_live(struct session *s, uint64_t bytes)
{
	if (!s->want_live || bytes == 0)
		return;
	s->want_live = false;
	progress_line_mute();
	if (live_start(&s->live, s->viewer, s->options->snapshot, s->output.name,
		       s->output.fd, s->live_start) < 0) {
		s->live = LIVE_NONE;
		progress_line_unmute();
		return;
	}
	live_pump(&s->live, s->live_start + s->parts[0].written);
}

struct progress_arg {
	struct session *session;
	char label[64];
};

static void session_on_progress(void *arg, const char *phase, uint64_t objects,
				uint64_t bytes)
{
	const struct progress_arg *a = arg;

	session_open_live(a->session, bytes);
	progress_line_show(a->label, phase, objects, bytes);
}

/* What a part is written by ends with the capture's own clock. */
static void session_open_part(struct session *s, size_t i, int fd, bool seekable,
			      struct live *live)
{
	struct keeper *keeper = &s->parts[i].keeper;

	part_init(&s->parts[i], fd, seekable, live);
	keeper->cancel_fd = s->cancel_fd;
	if (s->options->timeout_ns)
		keeper->patience_ns = s->options->timeout_ns;
}

static struct capture_job session_job_for(struct session *s, size_t i, bool keep,
					  struct progress_arg *arg)
{
	snprintf(arg->label, sizeof(arg->label), "%d", (int)s->options->pids[i]);
	arg->session = s;
	return (struct capture_job){
		.pid = s->options->pids[i],
		.options = s->options,
		.agent = s->agent,
		.plan = session_planned(s, i) ? &s->plans[i] : NULL,
		.probes = s->probes,
		.part = &s->parts[i],
		.keep = keep,
		.cancel_fd = s->cancel_fd,
		.progress = session_on_progress,
		.progress_arg = arg,
		.log = s->options->debug ? progress_line_log : NULL,
		.log_arg = arg->label,
	};
}

/* Nobody named the folder where a part waits: it's named where it can't be written. */
static void session_tell_folder(struct session *s, size_t i, int fd)
{
	char *const error = s->results[i].error;
	const size_t size = sizeof(s->results[i].error);
	char folder[300], safe[300];
	const size_t n = strlen(error);

	if (fd < 0 || !n ||
	    (s->parts[i].error != -ENOSPC && s->parts[i].error != -EDQUOT))
		return;
	output_scratch_folder(fd, folder, sizeof(folder));
	escape_copy(safe, sizeof(safe), folder, strlen(folder));
	snprintf(error + n, size - n, " in %s, where it waits%s", safe,
		 session_to_stdout(s) ? " (TMPDIR names another place)" : "");
}

/* Puts the parts one after another into the output. */
static void session_join(struct session *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct capture_result *r = &s->results[i];

		if (r->status == CAPTURE_FAILED)
			continue;
		const int e = output_append(s->output.fd, s->parts[i].fd);
		if (e == 0)
			continue;
		/* A part that is half there would swallow the ones after it. */
		for (size_t k = 0; k < s->count; k++) {
			r = &s->results[k];
			if (r->status == CAPTURE_FAILED)
				continue;
			r->status = CAPTURE_FAILED;
			snprintf(r->error, sizeof(r->error),
				 "cannot write the snapshot: %s", strerror(-e));
		}
		return;
	}
}

static void session_run_many(struct session *s, bool keep)
{
	struct capture_job *jobs = calloc(s->count, sizeof(*jobs));
	struct progress_arg *args = calloc(s->count, sizeof(*args));
	char error[512];

	for (size_t i = 0; i < s->count && jobs && args; i++) {
		const int fd = output_scratch(
			session_to_stdout(s) ? NULL : s->output.name, error);

		session_open_part(s, i, fd, true, NULL);
		jobs[i] = session_job_for(s, i, keep, &args[i]);
		if (fd >= 0 || !jobs[i].plan)
			continue;
		jobs[i].plan = NULL;
		snprintf(s->results[i].error, sizeof(s->results[i].error), "%s", error);
	}
	if (jobs && args) {
		side_by_side_run(jobs, s->count, s->results);
		for (size_t i = 0; i < s->count; i++)
			session_tell_folder(s, i, s->parts[i].fd);
		session_join(s);
		for (size_t i = 0; i < s->count; i++) {
			if (s->parts[i].fd >= 0)
				close(s->parts[i].fd);
			part_deinit(&s->parts[i]);
		}
	}
	free(jobs);
	free(args);
}

/*
 * A pipe or a terminal's program may be slow: then a scratch file takes the bytes
 * at once and they are passed on as they are taken.  Where there is no room for
 * one, the output is written to directly.
 */
static int session_open_spool(struct session *s)
{
	char error[512];
	struct stat st;

	if (s->output.seekable || (fstat(s->output.fd, &st) == 0 && S_ISREG(st.st_mode)))
		return -1;
	const int fd = output_scratch(NULL, error);
	if (fd >= 0 && live_relay(&s->live, s->output.fd, fd, s->cancel_fd) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static void session_run_one(struct session *s, bool keep)
{
	struct capture_result *r = &s->results[0];
	struct part *part = &s->parts[0];
	struct progress_arg arg;
	const int spool = session_open_spool(s);

	session_open_part(s, 0, spool >= 0 ? spool : s->output.fd,
			  spool >= 0 || s->output.seekable, &s->live);
	s->live_start = part->start;
	const struct capture_job job = session_job_for(s, 0, keep, &arg);
	if (job.plan)
		capture_run(&job, r);
	session_tell_folder(s, 0, spool >= 0 ? spool : s->snapshot);
	live_pump(&s->live, part->start + part->written);
	if (spool >= 0) {
		const int e = live_finish(&s->live);

		if (e < 0 && r->status != CAPTURE_FAILED) {
			r->status = CAPTURE_FAILED;
			r->cancelled = e == -EINTR;
			snprintf(r->error, sizeof(r->error),
				 "cannot write the snapshot: %s",
				 e == -EINTR ? "cancelled" : strerror(-e));
		}
		s->live = LIVE_NONE;
		close(spool);
	}
	part_deinit(part);
}

static bool session_any_kept(const struct session *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->results[i].status != CAPTURE_FAILED && !s->results[i].cancelled)
			return true;
	}
	return false;
}

/* The captures are over: the file gets its name, or goes. */
static void session_close_output(struct session *s)
{
	char error[512];

	s->file[0] = '\0';
	if (!session_any_kept(s)) {
		output_discard(&s->output);
		for (size_t i = 0; i < s->count; i++)
			s->results[i].status = CAPTURE_FAILED;
		return;
	}
	if (output_commit(&s->output, error) == 0) {
		snprintf(s->file, sizeof(s->file), "%s", s->output.name);
		return;
	}
	for (size_t i = 0; i < s->count; i++) {
		s->results[i].status = CAPTURE_FAILED;
		snprintf(s->results[i].error, sizeof(s->results[i].error), "%s", error);
	}
}

static void session_print_results(struct session *s)
{
	const char *const file = s->file[0] ? s->file : NULL;

	progress_line_wipe();
	if (s->options->json) {
		const char **files = calloc(s->count, sizeof(*files));

		for (size_t i = 0; i < s->count && files; i++)
			files[i] = file;
		if (files)
			summary_json(stdout, s->results, files, s->count);
		free(files);
	}
	for (size_t i = 0; i < s->count; i++) {
		const struct capture_result *r = &s->results[i];

		/* What could not even be planned was told at once. */
		if (r->error[0] && session_planned(s, i))
			session_complain(r);
		if (r->left[0] && !session_talks(s)) /* else the report has it */
			print_format(stderr, "pymem-load: %d: %s\n", (int)r->pid,
				     r->left);
		if (session_talks(s) && r->status != CAPTURE_FAILED && !s->row)
			summary_text(session_to_stdout(s) ? stderr : stdout, r, file);
	}
	if (session_talks(s) && !s->reports)
		session_print_memory(s, session_to_stdout(s) ? stderr : stdout);
	fflush(stdout);
}

static void session_said(void *arg, const char *line)
{
	const struct session *s = arg;

	if (!session_talks(s) && strncmp(line, "wrote ", 6) == 0)
		return;
	progress_line_wipe();
	print_format(stderr, "%s\n", line);
}

/* A signal has ended the run: then this isn't made, or not whole. */
static bool session_skips(struct session *s, const char *what, const char *name)
{
	const size_t n = strlen(s->skipped);

	if (!foreground_told())
		return false;
	snprintf(s->skipped + n, sizeof(s->skipped) - n, "%s%s%.200s", n ? ", " : "",
		 what, name);
	return true;
}

/* What a signal left undone, in one sentence. */
static void session_tell_skipped(const struct session *s, bool whole)
{
	if (!s->skipped[0])
		return;
	progress_line_wipe();
	print_format(stderr,
		     "pymem-load: ended by %s: the snapshot is %s (%s), not made of it: "
		     "%s\n",
		     foreground_signal_name(foreground_told()),
		     whole ? "whole" : "written",
		     strcmp(s->file, "-") ? s->file : "on standard output", s->skipped);
}

static void session_draw_references(struct session *s)
{
	if (!s->file[0] || (!s->options->references && !s->options->name_count))
		return;
	if (!s->has_viewer)
		session_said(s, "pymem-load: no pictures: pymem-view was not found");
	else if (!session_skips(s, "the pictures", "")) {
		reference_pictures_draw(s->options, s->viewer, s->file, session_said, s);
		session_skips(s, "all of the pictures", "");
	}
}

/* False: it was asked for and isn't there. */
static bool session_write_page(struct session *s)
{
	const char *page = s->options->html;

	if (!page || !s->file[0])
		return true;
	if (!s->has_viewer) {
		session_said(s, "pymem-load: no page: pymem-view was not found");
		return false;
	}
	if (session_skips(s, "the page ", page))
		return false;
	const int status = show_page(s->viewer, s->file, s->options->snapshot, page);
	if (status != 0 && status != 3 && session_skips(s, "the page ", page))
		return false;
	if (status == 127)
		session_said(s, "pymem-load: no page: pymem-view could not be run");
	else if ((status == 0 || status == 3) && session_talks(s))
		print_format(session_to_stdout(s) ? stderr : stdout,
			     "  page written to %s\n", page);
	return status == 0 || status == 3;
}

/* Where the snapshot goes. 0 or -1 with a sentence. */
static int session_open_output(struct session *s, uint64_t number, char error[512])
{
	const struct load_options *o = s->options;
	const int pid = (int)o->pids[0];

	s->snapshot = -1;
	if (!o->as)
		return output_open(&s->output, o->output, number, pid, error);
	if (!s->has_viewer) {
		snprintf(error, 512, "pymem-view was not found, which makes it");
		return -1;
	}
	if (convert_open(&s->converted, o->output, number, pid, error) < 0)
		return -1;
	s->output = (struct output){ .seekable = true };
	s->output.fd =
		output_scratch(session_to_stdout(s) ? NULL : s->converted.name, error);
	s->snapshot = s->output.fd < 0 ? -1 : fcntl(s->output.fd, F_DUPFD_CLOEXEC, 3);
	if (s->snapshot >= 0)
		return 0;
	output_discard(&s->converted);
	output_discard(&s->output);
	return -1;
}

/* False: it was asked for and isn't there. */
static bool session_convert(struct session *s)
{
	char error[512];
	int made = -1;

	if (s->snapshot < 0)
		return true;
	if (session_any_kept(s))
		made = convert_run(s->viewer, s->options->as, s->snapshot,
				   s->options->snapshot, &s->converted, error);
	else
		output_discard(&s->converted);
	close(s->snapshot);
	s->snapshot = -1;
	if (made < 0 && session_any_kept(s)) {
		progress_line_wipe();
		print_format(stderr, "pymem-load: %s\n", error);
	}
	if (made >= 0)
		snprintf(s->file, sizeof(s->file), "%s", s->converted.name);
	return made >= 0;
}

/* false: the command failed, which is told; the file is there. */
static bool session_upload(struct session *s, const char *file)
{
	const struct load_options *o = s->options;
	char why[UPLOAD_WHY];

	if (!o->upload || !file || !file[0])
		return true;
	if (session_skips(s, "the upload of ", file))
		return false;
	const bool good = upload_run(o->upload, file, why);
	if (!good && !session_skips(s, "the upload of ", file)) {
		progress_line_wipe();
		print_format(stderr, "not uploaded: %s: %s\n", file, why);
	}
	return good;
}

static void session_show(struct session *s, bool seen)
{
	const char *compare = s->options->snapshot;

	if (!s->file[0] || session_to_stdout(s) || !session_talks(s))
		return;
	if (!s->has_viewer) {
		print_format(
			stderr,
			"pymem-load: pymem-view was not found (beside this program or "
			"on PATH): no report\n");
		return;
	}
	if (seen || session_skips(s, "the report", ""))
		return;
	uint64_t memory = 0;
	for (size_t i = 0; i < s->count; i++)
		memory += s->plans[i].rss;
	if (show_interactive())
		show_viewer(s->viewer, s->file, compare, memory);
	else if (show_reports(s->viewer, s->file, compare, memory) != 0)
		session_skips(s, "the whole report", "");
}

/* Nothing can be written: that is every capture's failure. */
static void session_fail_all(struct session *s, const char *error)
{
	for (size_t i = 0; i < s->count; i++) {
		struct capture_result *r = &s->results[i];

		if (session_planned(s, i))
			snprintf(r->error, sizeof(r->error), "%s", error);
		r->status = CAPTURE_FAILED;
	}
	s->file[0] = '\0';
}

static bool session_any_planned(const struct session *s)
{
	for (size_t i = 0; i < s->count; i++) {
		if (session_planned(s, i))
			return true;
	}
	return false;
}

/* True if the viewer saw it all on the way. */
static bool session_close_live(struct session *s)
{
	const int *status = &s->live.status;

	if (s->live.viewer <= 0 && *status < 0)
		return false;
	live_finish(&s->live);
	live_wait(&s->live);
	progress_line_unmute();
	/* A viewer that could not run, or not live, is given the finished file. */
	return !(*status >= 0 && WIFEXITED(*status) && WEXITSTATUS(*status) != 0 &&
		 WEXITSTATUS(*status) != 3);
}

int session_capture(struct session *s, uint64_t number, bool keep, bool showing)
{
	char error[512] = "";

	s->live = LIVE_NONE;
	s->want_live = false;
	s->file[0] = s->skipped[0] = '\0';
	if (!session_any_planned(s) || session_open_output(s, number, error) < 0) {
		session_fail_all(s, error);
		session_print_results(s);
		return 1;
	}
	s->want_live = showing && !s->options->as && session_talks(s) && s->count == 1 &&
		s->has_viewer && s->output.seekable && !s->options->debug &&
		show_interactive();
	if (s->count == 1)
		session_run_one(s, keep);
	else
		session_run_many(s, keep);
	session_close_output(s);
	const bool seen = session_close_live(s);
	const bool converted = session_convert(s);
	s->reports = showing && !s->options->as && !session_to_stdout(s) &&
		s->has_viewer && s->file[0] && !show_interactive();
	session_print_results(s);
	bool uploaded = session_upload(s, s->file);
	session_draw_references(s);
	const bool page = session_write_page(s);
	uploaded &= session_upload(s, page ? s->options->html : NULL);
	if (showing && !s->options->as)
		session_show(s, seen);
	const int status = summary_status(s->results, s->count);
	session_tell_skipped(s, status == 0);
	if (!status && !(page && converted))
		return 1;
	/* 3: not all was done */
	return status || (uploaded && !s->skipped[0]) ? status : 3;
}
