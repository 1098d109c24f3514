/* SPDX-License-Identifier: MIT */
/* export - where an export goes; see export.h. */
#include "viewer/export.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "viewer/files/files.h"

static int export_write(const struct export *e, FILE *out, uint32_t *processes_ret,
			struct snap_problem *problem)
{
	return e->exporter->run(e->input, e->pid, out, processes_ret, problem);
}

static int export_failed(struct snap_problem *problem, int err)
{
	problem->code = SNAP_E_SINK;
	problem->sys = err;
	snprintf(problem->text, sizeof(problem->text), "cannot write: %s", strerror(err));
	return -1;
}

/* A device or a pipe is written to; only a file may be replaced by a new one. */
static int export_to(const struct export *e, int fd, uint32_t *processes_ret,
		     struct snap_problem *problem)
{
	FILE *const out = fd >= 0 ? fdopen(fd, "w") : NULL;
	int rc;

	if (!out) {
		rc = export_failed(problem, errno);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	rc = export_write(e, out, processes_ret, problem);
	if (fclose(out) && !rc)
		rc = export_failed(problem, errno);
	return rc;
}

/* Writes to a file that becomes the output once it is whole. */
static int export_replace(const struct export *e, uint32_t *processes_ret,
			  struct snap_problem *problem)
{
	struct new_file file;
	int err = files_create(&file, e->output), rc;

	if (err)
		return export_failed(problem, -err);
	rc = export_to(e, fcntl(file.fd, F_DUPFD_CLOEXEC, 3), processes_ret, problem);
	if (rc) {
		files_abort(&file);
		return rc;
	}
	err = files_commit(&file);
	return err ? export_failed(problem, -err) : 0;
}

int export_run(const struct export *e, uint32_t *processes_ret,
	       struct snap_problem *problem)
{
	assert(e->exporter && e->input && e->output);
	*processes_ret = 0;
	if (strcmp(e->output, "-") == 0)
		return export_write(e, stdout, processes_ret, problem);
	if (files_is_special(e->output))
		return export_to(e, files_open_special(e->output), processes_ret,
				 problem);
	return export_replace(e, processes_ret, problem);
}
