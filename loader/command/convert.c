/* SPDX-License-Identifier: MIT */
/* convert - see convert.h. */
#include "loader/command/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loader/base/foreground.h"
#include "loader/command/show.h"

int convert_open(struct output *ret, const char *name, uint64_t number, int pid,
		 char error[512])
{
	if (name && strcmp(name, "-") != 0)
		return output_open(ret, name, number, pid, error);
	*ret = (struct output){ .fd = output_stdout(error), .name = "-" };
	return ret->fd >= 0 ? 0 : -1;
}

int convert_run(const char *viewer, const char *format, int snapshot, const char *compare,
		struct output *output, char error[512])
{
	const int status = !foreground_told() && lseek(snapshot, 0, SEEK_SET) == 0 ?
		show_export(viewer, format, snapshot, compare, output->fd) :
		127;

	if (status == 0 || status == 3)
		return output_commit(output, error) < 0 ? -1 : status;
	output_discard(output);
	if (foreground_told()) {
		snprintf(error, 512, "no %s: ended by %s", format,
			 foreground_signal_name(foreground_told()));
		return -1;
	}
	snprintf(error, 512,
		 status == 127 ? "no %s: pymem-view could not be run" :
				 "no %s: pymem-view could not make it",
		 format);
	return -1;
}
