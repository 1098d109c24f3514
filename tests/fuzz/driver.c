/* SPDX-License-Identifier: MIT */
/* driver - runs a fuzz target over files and folders of files, without a fuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned long replayed;

static int replay_file(const char *path)
{
	FILE *const f = fopen(path, "rb");
	static uint8_t buf[1 << 20];
	size_t size;
	uint8_t *exact;

	if (!f)
		return -1;
	size = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	/* Exactly as large as the content, so that a sanitizer sees the least overrun. */
	exact = malloc(size ? size : 1);
	if (!exact)
		return -1;
	for (size_t i = 0; i < size; i++)
		exact[i] = buf[i];
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	replayed++;
	return 0;
}

static int replay(const char *path)
{
	DIR *const dir = opendir(path);
	char name[4096];
	struct dirent *entry;
	int result = 0;

	if (!dir)
		return replay_file(path);
	while (result == 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		result = replay_file(name);
	}
	closedir(dir);
	return result;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) != 0) {
			perror(argv[i]);
			return 1;
		}
	}
	printf("%lu inputs replayed\n", replayed);
	return replayed > 0 ? 0 : 1;
}
