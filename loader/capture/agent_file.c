/* SPDX-License-Identifier: MIT */
/* agent_file - see agent_file.h. */
#include "loader/capture/agent_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "loader/capture/agent_bytes.h"

#define AGENT_NAME "libpymemagent.so"
#ifndef PYMEM_LIBDIR
#define PYMEM_LIBDIR "lib"
#endif

enum { AGENT_MAX = 256 << 20 };

/* Folder of this program's file, without a trailing slash. */
static int agent_file_own_folder(char dir[4096])
{
	const ssize_t n = readlink("/proc/self/exe", dir, 4095);

	if (n <= 0)
		return -1;
	dir[n] = '\0';
	char *slash = strrchr(dir, '/');
	if (!slash)
		return -1;
	*slash = '\0';
	return 0;
}

int agent_file_find(struct agent_file *ret, bool as_file, char error[512])
{
	static const char *const places[] = { "../lib", "../" PYMEM_LIBDIR "/pymem",
					      "." };
	const char *env = getenv("PYMEM_AGENT");
	char dir[4096], path[4096 + 64];
	bool closed = false;

	*ret = (struct agent_file){ 0 };
	if (env && *env) {
		if (access(env, R_OK) == 0 && realpath(env, ret->path))
			return 0;
		snprintf(error, 512,
			 "cannot read the agent %.400s (named by PYMEM_AGENT): %s", env,
			 strerror(errno));
		return -1;
	}
	if (agent_bytes && !as_file)
		return 0;
	if (agent_file_own_folder(dir) < 0) {
		snprintf(error, 512,
			 "cannot tell where this program is (/proc/self/exe): "
			 "name the agent with PYMEM_AGENT=/path/" AGENT_NAME);
		return -1;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(path, sizeof(path), "%s/%s/" AGENT_NAME, dir, places[i]);
		if (access(path, R_OK) == 0 && realpath(path, ret->path))
			return 0;
		closed = closed || errno == EACCES;
	}
	if (closed) {
		snprintf(error, 512,
			 AGENT_NAME " can't be read in %.300s/../" PYMEM_LIBDIR
				    ": open it and the folders above it to this user, "
				    "or name another with PYMEM_AGENT",
			 dir);
		return -1;
	}
	snprintf(error, 512,
		 AGENT_NAME " is not in %.300s/../" PYMEM_LIBDIR ": install it "
			    "there, or name it with PYMEM_AGENT=/path/" AGENT_NAME,
		 dir);
	return -1;
}

/* All of fd, up to AGENT_MAX bytes. 0 or -1 with errno. */
static int agent_file_slurp(int fd, struct agent_file *file)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -1;
	if (!S_ISREG(st.st_mode) || st.st_size < 64 || st.st_size > AGENT_MAX) {
		errno = ENOEXEC;
		return -1;
	}
	file->data = malloc((size_t)st.st_size);
	if (!file->data)
		return -1;
	while (file->size < (size_t)st.st_size) {
		const ssize_t n = read(fd, (char *)file->data + file->size,
				       (size_t)st.st_size - file->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n < 0 ? errno : EIO;
			return -1;
		}
		file->size += (size_t)n;
	}
	return 0;
}

static int agent_file_unpack(struct agent_file *file, char error[512])
{
	const size_t packed = (size_t)(agent_bytes_end - agent_bytes);
	const unsigned long long size = ZSTD_getFrameContentSize(agent_bytes, packed);

	assert(size < AGENT_MAX); /* no input: what the build put there */
	file->data = malloc(size);
	file->size = size;
	if (file->data && ZSTD_decompress(file->data, size, agent_bytes, packed) == size)
		return 0;
	agent_file_free(file);
	snprintf(error, 512, "no memory for the agent: %llu bytes", size);
	return -1;
}

int agent_file_read(struct agent_file *file, char error[512])
{
	if (!file->path[0])
		return agent_file_unpack(file, error);
	const int fd = open(file->path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && agent_file_slurp(fd, file) == 0 &&
	    memcmp(file->data, "\177ELF", 4) == 0) {
		close(fd);
		return 0;
	}
	const int err = fd >= 0 && file->size >= 4 ? ENOEXEC : errno;
	if (fd >= 0)
		close(fd);
	agent_file_free(file);
	snprintf(error, 512, "cannot use the agent %.400s: %s", file->path,
		 strerror(err));
	return -1;
}

void agent_file_free(struct agent_file *file)
{
	free(file->data);
	file->data = NULL;
	file->size = 0;
}

static int agent_file_runnable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

int agent_file_viewer(char path[4096])
{
	const char *env = getenv("PYMEM_VIEW");
	char dir[4096];

	if (env && *env) {
		snprintf(path, 4096, "%s", env);
		return agent_file_runnable(path) ? 0 : -1;
	}
	if (agent_file_own_folder(dir) == 0 &&
	    snprintf(path, 4096, "%s/pymem-view", dir) < 4096 &&
	    agent_file_runnable(path))
		return 0;
	const char *list = getenv("PATH");
	for (const char *p = list ? list : ""; *p;) {
		const size_t n = strcspn(p, ":");

		if (n > 0 && snprintf(path, 4096, "%.*s/pymem-view", (int)n, p) < 4096 &&
		    agent_file_runnable(path))
			return 0;
		p += n + (p[n] == ':');
	}
	return -1;
}
