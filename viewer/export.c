/* SPDX-License-Identifier: MIT */
/* export - where an export goes; see export.h. */
#include "viewer/export.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "viewer/document/document.h"
#include "viewer/files/files.h"
#include "viewer/fleet/summary.h"
#include "viewer/html/html.h"
#include "viewer/written.h"

/* What is put into a file: an exporter's output, or a document. */
struct content {
	const char *output;
	int (*write)(const struct content *content, FILE *out,
		     struct snap_problem *problem);
	const struct export *export;
	uint32_t *incomplete_ret;
	const struct document *document;
	struct workspace *workspace;
	struct process *process;
	const struct progress *progress;
};

static int export_failed(struct snap_problem *problem, int err)
{
	problem->code = SNAP_E_SINK;
	problem->sys = err;
	snprintf(problem->text, sizeof(problem->text), "cannot write: %s", strerror(err));
	return -1;
}

static int export_write(const struct content *c, FILE *out, struct snap_problem *problem)
{
	const struct export *e = c->export;
	struct written written;
	FILE *const counted =
		c->progress ? written_open(&written, out, c->progress) : NULL;
	int rc;

	if (!counted)
		return e->exporter->run(e->input, out, c->incomplete_ret, problem);
	rc = e->exporter->run(e->input, counted, c->incomplete_ret, problem);
	if (fclose(counted) && !rc)
		rc = export_failed(problem, errno);
	return rc;
}

static int document_write(const struct content *c, FILE *out,
			  struct snap_problem *problem)
{
	const struct document *const d = c->document;
	int err = d->write ? d->write(out, c->workspace, c->progress) :
			     d->write_process(out, c->process->analysis, c->progress);

	if (err == -EFBIG) {
		problem->code = SNAP_E_LIMIT;
		snprintf(
			problem->text, sizeof(problem->text),
			"too many objects or references for a %s; jsonl holds any number",
			d->name);
		return -1;
	}
	if (err == -ENODATA) {
		problem->code = SNAP_E_LIMIT;
		snprintf(problem->text, sizeof(problem->text),
			 "no allocation sites: tracemalloc was not tracing when the "
			 "snapshot was taken");
		return -1;
	}
	if (err) {
		problem->code = err == -ENOMEM ? SNAP_E_NOMEM : SNAP_E_SINK;
		problem->sys = -err;
		snprintf(problem->text, sizeof(problem->text), "%s",
			 err == -ECANCELED ? "stopped" : workspace_error(err));
		return -1;
	}
	return fflush(out) || ferror(out) ? export_failed(problem, errno) : 0;
}

/* A device or a pipe is written to; only a file may be replaced by a new one. */
static int export_to(const struct content *c, int fd, struct snap_problem *problem)
{
	FILE *const out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int rc;

	if (!out) {
		rc = export_failed(problem, errno);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = c->write(c, out, problem);
	if (fclose(out) && !rc)
		rc = export_failed(problem, errno);
	return rc;
}

/* Writes to a file that becomes the output once it is whole. */
static int export_replace(const struct content *c, struct snap_problem *problem)
{
	struct new_file file;
	int err = files_create(&file, c->output), rc;

	if (err)
		return export_failed(problem, -err);
	rc = export_to(c, fcntl(file.fd, F_DUPFD_CLOEXEC, 3), problem);
	if (rc) {
		files_abort(&file);
		return rc;
	}
	err = files_commit(&file);
	return err ? export_failed(problem, -err) : 0;
}

static int export_put(const struct content *c, struct snap_problem *problem)
{
	if (strcmp(c->output, "-") == 0)
		return c->write(c, stdout, problem);
	if (files_is_special(c->output))
		return export_to(c, files_open_special(c->output), problem);
	return export_replace(c, problem);
}

int export_run(const struct export *e, const struct progress *progress,
	       uint32_t *incomplete_ret, struct snap_problem *problem)
{
	const struct content content = { .output = e->output,
					 .write = export_write,
					 .export = e,
					 .progress = progress,
					 .incomplete_ret = incomplete_ret };

	assert(e->exporter && e->input && e->output);
	*incomplete_ret = 0;
	return export_put(&content, problem);
}

/* The snapshot that --consume names, if nothing of it was missing. 0 or -1. */
static int document_consume(const struct workspace *workspace,
			    struct snap_problem *problem)
{
	int err = 0;

	for (uint32_t i = 0; i < workspace->count; i++) {
		const struct process *const p = workspace->process[i];

		if (!p->heap->complete || p->problem[0])
			return 0;
	}
	if (workspace->consume)
		err = files_remove(workspace->consume);
	if (!err)
		return 0;
	problem->code = SNAP_E_IO;
	problem->sys = -err;
	snprintf(problem->text, sizeof(problem->text), "it stays: cannot remove it: %s",
		 strerror(-err));
	return -1;
}

int document_run(const struct document *document, const char *output,
		 struct workspace *workspace, struct process *process,
		 const struct progress *progress, struct snap_problem *problem)
{
	const struct content content = { .output = output,
					 .write = document_write,
					 .document = document,
					 .workspace = workspace,
					 .process = process,
					 .progress = progress };

	assert(document && output && workspace);
	assert(document->write || (process && process->analysis));
	const int rc = export_put(&content, problem);
	return rc ? rc : document_consume(workspace, problem);
}

static const struct document document_html = {
	.name = "html",
	.title = "one page to mail: suspects, maps, tables, objects",
	.write = html_write,
};

static const struct document document_heapsnapshot = {
	.name = "heapsnapshot",
	.title = "a process for Chrome's DevTools and memlab",
	.write_process = heapsnapshot_write,
};

static const struct document document_pprof = {
	.name = "pprof",
	.title = "a process for go tool pprof, Pyroscope, Parca",
	.write_process = pprof_write,
};

static const struct document document_speedscope = {
	.name = "speedscope",
	.title = "a process for speedscope",
	.write_process = speedscope_write,
};

static const struct document document_collapsed = {
	.name = "collapsed",
	.title = "a process as stacks for flame graphs",
	.write_process = collapsed_write,
};

static const struct document document_pprof_sites = {
	.name = "pprof-sites",
	.title = "allocation sites for go tool pprof",
	.write_process = pprof_write_sites,
};

static const struct document document_speedscope_sites = {
	.name = "speedscope-sites",
	.title = "allocation sites for speedscope",
	.write_process = speedscope_write_sites,
};

static const struct document document_collapsed_sites = {
	.name = "collapsed-sites",
	.title = "allocation sites for flame graphs",
	.write_process = collapsed_write_sites,
};

static const struct document document_summary = {
	.name = "summary",
	.title = "types, places, suspects: a line of JSON a process, for --merge",
	.write = summary_write,
};

const struct document document_openmetrics = {
	.name = "openmetrics",
	.title = "the same for a metrics collector",
	.write = summary_write_metrics,
};

const struct document *const document_all[] = { &document_heapsnapshot,
						&document_pprof,
						&document_speedscope,
						&document_collapsed,
						&document_html,
						&document_summary,
						&document_openmetrics,
						&document_pprof_sites,
						&document_speedscope_sites,
						&document_collapsed_sites,
						NULL };

const struct document *document_find(const char *name)
{
	for (size_t i = 0; document_all[i]; i++)
		if (!strcmp(document_all[i]->name, name))
			return document_all[i];
	return NULL;
}
