/* SPDX-License-Identifier: MIT */
#include "viewer/screen/pictures.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "viewer/files/files.h"

enum { NAME_SIZE = 160, PART_LIMIT = 80, MAX_PICTURES = 1000 };

static bool pictures_plain(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		(c >= 'A' && c <= 'Z') || c == '_';
}

static bool pictures_has_ending(const char *name, const char *ending)
{
	size_t n = strlen(name), k = strlen(ending);

	return n > k && strcmp(name + n - k, ending) == 0;
}

static void pictures_keep(struct pictures *p, const char *name)
{
	char **names = realloc(p->names, (p->count + 1) * sizeof(*names));
	char *copy = names ? strdup(name) : NULL;

	if (names)
		p->names = names;
	if (copy)
		p->names[p->count++] = copy;
}

void pictures_find(struct pictures *p, const char *file, uint64_t pid)
{
	char folder[4096], ref[40], backref[40];
	const char *slash = strrchr(file, '/');
	int n = slash ? (int)(slash - file) + 1 : 0;

	*p = (struct pictures){ 0 };
	snprintf(folder, sizeof(folder), "%.*s.", n, file);
	snprintf(ref, sizeof(ref), "ref_%" PRIu64 "_", pid);
	snprintf(backref, sizeof(backref), "backref_%" PRIu64 "_", pid);
	const int fd = files_open(folder, O_DIRECTORY);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir && fd >= 0)
		close(fd);
	for (struct dirent *d; dir && p->count < MAX_PICTURES && (d = readdir(dir));) {
		bool ours = strncmp(d->d_name, ref, strlen(ref)) == 0 ||
			strncmp(d->d_name, backref, strlen(backref)) == 0;
		if (ours && pictures_has_ending(d->d_name, ".png"))
			pictures_keep(p, d->d_name);
	}
	if (dir)
		closedir(dir);
}

void pictures_free(struct pictures *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->names[i]);
	free(p->names);
	*p = (struct pictures){ 0 };
}

const char *pictures_of(const struct pictures *p, const char *type, uint64_t pid,
			bool back)
{
	char name[NAME_SIZE];

	if (!p->count)
		return NULL;
	int n = snprintf(name, sizeof(name), "%sref_%" PRIu64 "_", back ? "back" : "",
			 pid);
	const char *dot = strrchr(type, '.'), *part = dot && dot[1] ? dot + 1 : type;
	for (const char *s = part; *s && s - part < PART_LIMIT - 1; s++)
		name[n++] = pictures_plain(*s) ? *s : '_';
	memcpy(name + n, ".png", 5);
	for (size_t i = 0; i < p->count; i++)
		if (strcmp(p->names[i], name) == 0)
			return p->names[i];
	return NULL;
}
