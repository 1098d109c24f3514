/* SPDX-License-Identifier: MIT */
/*
 * fuzz_export - any snapshot into the JSON export; what comes out must be ASCII lines
 * that begin and end as objects.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forge.h"
#include "formats/export/exporter.h"

static void check(const char *text, size_t size)
{
	if (size == 0)
		return;
	if (text[0] != '{' || text[size - 1] != '\n')
		abort();
	for (size_t i = 0; i < size; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c >= 0x7f || (c < ' ' && c != '\n'))
			abort();
		if (c == '\n' &&
		    (text[i - 1] != '}' || (i + 1 < size && text[i + 1] != '{')))
			abort();
	}
}

static void run(int fd)
{
	struct snap_problem problem = { 0 };
	char path[40], *text = NULL;
	size_t size = 0;
	FILE *const out = open_memstream(&text, &size);

	if (!out)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (exporter_jsonl.run(path, 0, out, NULL, &problem) != 0 &&
	    problem.text[0] == '\0')
		abort();
	if (fclose(out) == 0 && problem.code == SNAP_OK)
		check(text, size);
	free(text);
}

/* To nowhere: that it ends, and in bounds, is all that is asked. */
static void run_chrome(int fd)
{
	struct snap_problem problem = { 0 };
	FILE *const out = fopen("/dev/null", "w");
	uint32_t processes = 0;
	char path[40];

	if (!out)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (exporter_heapsnapshot.run(path, 0, out, &processes, &problem) != 0 &&
	    problem.text[0] == '\0')
		abort();
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t made = 0;
	uint8_t *const input = forge_input(data, size, &made);
	const int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (input && fd >= 0 && write(fd, input, made) == (ssize_t)made) {
		run(fd);
		run_chrome(fd);
	}
	if (fd >= 0)
		close(fd);
	free(input);
	return 0;
}
