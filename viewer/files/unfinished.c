/* SPDX-License-Identifier: MIT */
/* unfinished - see unfinished.h. */
#include "viewer/files/unfinished.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { UNFINISHED_FILES = 8 };

static struct {
	volatile sig_atomic_t used; /* path is whole */
	char path[PATH_MAX];
} unfinished_files[UNFINISHED_FILES];

void unfinished_unlink(void)
{
	for (int i = 0; i < UNFINISHED_FILES; i++)
		if (unfinished_files[i].used)
			unlink(unfinished_files[i].path);
}

void unfinished_add(const char *path)
{
	const size_t size = strlen(path) + 1;
	int i = 0;

	while (i < UNFINISHED_FILES && unfinished_files[i].used)
		i++;
	if (i == UNFINISHED_FILES || size > sizeof(unfinished_files[i].path))
		return;
	memcpy(unfinished_files[i].path, path, size);
	unfinished_files[i].used = 1;
}

void unfinished_remove(const char *path)
{
	for (int i = 0; i < UNFINISHED_FILES; i++)
		if (unfinished_files[i].used && !strcmp(unfinished_files[i].path, path))
			unfinished_files[i].used = 0;
}
