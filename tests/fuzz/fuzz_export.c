/* SPDX-License-Identifier: MIT */
/*
 * fuzz_export - any snapshot into the JSON export; what comes out must be ASCII lines
 * that begin and end as objects; and through the analysis into a .heapsnapshot and
 * profiles.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "forge.h"
#include "formats/export/exporter.h"
#include "viewer/document/document.h"
#include "viewer/workspace.h"

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
	uint32_t incomplete = 0;
	FILE *const out = open_memstream(&text, &size);

	if (!out)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (exporter_jsonl.run(path, out, &incomplete, &problem) != 0 &&
	    problem.text[0] == '\0')
		abort();
	if (fclose(out) == 0 && problem.code == SNAP_OK)
		check(text, size);
	free(text);
}

/* To nowhere: that it ends, and in bounds, is all that is asked. */
static void run_chrome(int fd)
{
	FILE *const out = fopen("/dev/null", "w");
	struct workspace workspace;
	char path[40], err[512] = "";

	if (!out)
		return;
	workspace_init(&workspace);
	workspace.no_sidecar = true;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (workspace_open(&workspace, path, false, NULL, err, sizeof(err)) && !err[0])
		abort();
	for (uint32_t i = 0; i < workspace.count; i++)
		if (!workspace_analyse(&workspace, workspace.process[i], NULL)) {
			struct analysis *const analysis = workspace.process[i]->analysis;

			(void)heapsnapshot_write(out, analysis, NULL);
			(void)pprof_write(out, analysis, NULL);
			(void)speedscope_write(out, analysis, NULL);
			(void)collapsed_write(out, analysis, NULL);
		}
	workspace_free(&workspace);
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
