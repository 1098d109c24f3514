/* SPDX-License-Identifier: MIT */
/* removal - see removal.h. */
#include "viewer/files/removal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

int removal_of_file(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EEXIST;
	return unlink(path) < 0 ? -errno : 0;
}
