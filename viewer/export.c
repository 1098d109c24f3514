/* SPDX-License-Identifier: MIT */
/* export - where an export goes; see export.h. */
#include "viewer/export.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/core/replace.h"

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
static bool export_is_special(const char *output)
{
	struct stat st;

	return stat(output, &st) == 0 && !S_ISREG(st.st_mode);
}

static int export_into(const struct export *e, uint32_t *processes_ret,
		       struct snap_problem *problem)
{
	FILE *out = fopen(e->output, "we");
	int rc;

	if (!out)
		return export_failed(problem, errno);
	rc = export_write(e, out, processes_ret, problem);
	if (fclose(out) && !rc)
		rc = export_failed(problem, errno);
	return rc;
}

/* Writes to a temporary file that becomes the output once it is whole. */
static int export_replace(const struct export *e, uint32_t *processes_ret,
			  struct snap_problem *problem)
{
	char temporary[PATH_MAX];
	int err, fd, rc,
		n = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", e->output);
	FILE *out;

	if (n < 0 || (size_t)n >= sizeof(temporary))
		return export_failed(problem, ENAMETOOLONG);
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return export_failed(problem, errno);
	out = fdopen(fd, "w");
	if (!out) {
		rc = export_failed(problem, errno);
		close(fd);
		unlink(temporary);
		return rc;
	}
	rc = export_write(e, out, processes_ret, problem);
	if (fclose(out) && !rc)
		rc = export_failed(problem, errno);
	if (rc) {
		unlink(temporary);
		return rc;
	}
	err = replace_commit(temporary, e->output);
	return err ? export_failed(problem, -err) : 0;
}

int export_run(const struct export *e, uint32_t *processes_ret,
	       struct snap_problem *problem)
{
	assert(e->exporter && e->input && e->output);
	*processes_ret = 0;
	if (strcmp(e->output, "-") == 0)
		return export_write(e, stdout, processes_ret, problem);
	return export_is_special(e->output) ? export_into(e, processes_ret, problem) :
					      export_replace(e, processes_ret, problem);
}
