/* SPDX-License-Identifier: MIT */
/* saved - see saved.h. */
#include "viewer/live/saved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "viewer/files/files.h"

struct saved_file {
	struct new_file file;
};

struct saved {
	const char *folder;
	unsigned count;		  /* begun so far */
	unsigned ended;		  /* ... and kept */
	char *names[SAVED_FILES]; /* of the newest, in a ring */
};

struct saved *saved_open(const char *folder)
{
	struct saved *const saved = calloc(1, sizeof(*saved));

	if (saved)
		saved->folder = folder;
	return saved;
}

void saved_close(struct saved *saved)
{
	for (unsigned i = 0; saved && i < SAVED_FILES; i++)
		free(saved->names[i]);
	free(saved);
}

struct saved_file *saved_begin(struct saved *saved)
{
	const bool here = !strcmp(saved->folder, ".");
	struct saved_file *const f = calloc(1, sizeof(*f));
	const time_t now = time(NULL);
	char stamp[32], path[PATH_MAX];
	struct tm tm;

	if (!f)
		return NULL;
	strftime(stamp, sizeof(stamp), "%Y%m%d%H%M%S", gmtime_r(&now, &tm));
	const int n = snprintf(path, sizeof(path), "%s%spymem-%s-%u.pymem",
			       here ? "" : saved->folder, here ? "" : "/", stamp,
			       ++saved->count);
	const int err = n < 0 || (size_t)n >= sizeof(path) ? -ENAMETOOLONG :
							     files_create(&f->file, path);

	if (err) {
		free(f);
		errno = -err;
		return NULL;
	}
	return f;
}

int saved_write(struct saved_file *file, const void *data, size_t size)
{
	return files_write(file->file.fd, data, size);
}

int saved_end(struct saved *saved, struct saved_file *file, char *name, size_t size)
{
	char **const oldest = &saved->names[saved->ended % SAVED_FILES];
	const int err = files_commit(&file->file);

	snprintf(name, size, "%s", file->file.path);
	if (!err) {
		if (*oldest)
			unlink(*oldest);
		free(*oldest);
		*oldest = strdup(file->file.path);
		saved->ended++;
	}
	free(file);
	return err;
}

void saved_drop(struct saved_file *file)
{
	if (file)
		files_abort(&file->file);
	free(file);
}
