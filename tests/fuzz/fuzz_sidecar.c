/* SPDX-License-Identifier: MIT */
/*
 * fuzz_sidecar - a snapshot's sidecar with words changed anywhere, its checksum made
 * right again: refused, or opened and looked at by every report.
 *
 * An input is edits: offset (3 bytes, a multiple of 4, counted round), what to do (1),
 * a value (4).
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "viewer/model/sidecar.h"
#include "viewer/report/report.h"
#include "viewer/workspace.h"

enum { EDITS_MAX = 64, HEAD = 64, CHECKSUM_AT = 56, SECTIONS_AT = 16 };
enum { COUNTS_AND_PROBLEM = 8 * 4 + 9 * 8 + 320, SECTION = 16 };

static char folder[] = "/tmp/pymem-fuzz-XXXXXX";
static char snapshot[64], sidecar[64];
static uint8_t *whole; /* the sidecar as it was written */
static size_t whole_size;

static uint8_t *slurp(const char *path, size_t *size_ret)
{
	FILE *const f = fopen(path, "rb");
	struct stat st;

	fuzz_expect(f && fstat(fileno(f), &st) == 0);
	uint8_t *const bytes = malloc((size_t)st.st_size);
	fuzz_expect(bytes &&
		    fread(bytes, 1, (size_t)st.st_size, f) == (size_t)st.st_size);
	fclose(f);
	*size_ret = (size_t)st.st_size;
	return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	fuzz_expect(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
	close(fd);
}

static void take_down(void)
{
	unlink(snapshot);
	unlink(sidecar);
	rmdir(folder);
}

static void set_up(void)
{
	struct workspace workspace;
	char err[512];
	size_t size;
	uint8_t *const golden = slurp(FUZZ_SNAPSHOT, &size);

	fuzz_expect(mkdtemp(folder) != NULL);
	atexit(take_down);
	snprintf(snapshot, sizeof(snapshot), "%s/s", folder);
	snprintf(sidecar, sizeof(sidecar), "%s/s.pmx", folder);
	write_file(snapshot, golden, size);
	free(golden);
	workspace_init(&workspace);
	workspace.sidecar = true;
	fuzz_expect(workspace_open(&workspace, snapshot, false, NULL, err, sizeof(err)) ==
		    0);
	for (uint32_t i = 0; i < workspace.count; i++)
		fuzz_expect(workspace_analyse(&workspace, workspace.process[i], NULL) ==
			    0);
	workspace_free(&workspace);
	whole = slurp(sidecar, &whole_size);
}

/* As sidecar.c has it: over the header, with its checksum 0, and the records. */
static void make_checksum_right(uint8_t *bytes)
{
	uint32_t processes, sections;
	uint64_t hash = 0xcbf29ce484222325u;

	memcpy(&processes, bytes + 12, sizeof(processes));
	memcpy(&sections, bytes + SECTIONS_AT, sizeof(sections));
	const uint64_t size = HEAD +
		(uint64_t)processes * (COUNTS_AND_PROBLEM + (uint64_t)sections * SECTION);
	memset(bytes + CHECKSUM_AT, 0, 8);
	for (size_t i = 0; i < size && i < whole_size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	memcpy(bytes + CHECKSUM_AT, &hash, 8);
}

static void edit(uint8_t *bytes, struct fuzz_input *in)
{
	for (unsigned i = 0; in->left && i < EDITS_MAX; i++) {
		const size_t words = whole_size / 4;
		const size_t at = fuzz_take(in, 3) % words * 4;
		const unsigned how = (unsigned)fuzz_take(in, 1);
		uint32_t value = (uint32_t)fuzz_take(in, 4), old;

		memcpy(&old, bytes + at, 4);
		if (how % 4 == 1)
			value = old + (int8_t)value;
		if (how % 4 == 2)
			value = old ^ 1u << value % 32;
		memcpy(bytes + at, &value, 4);
	}
}

static void look(const struct sidecar_process *p)
{
	struct report_context context = { .heap = p->heap,
					  .analysis = p->analysis,
					  .old = p->heap,
					  .old_analysis = p->analysis };
	const struct report_params params = {
		.limit = 20,
		.object = p->heap->objects ? heap_address(p->heap, 0) : 1,
	};

	for (const struct report *const *r = report_all; *r; r++) {
		struct table table = { 0 };

		if (report_run(*r, &context, &params, &table) == 0)
			fuzz_expect(!table.rows || table.ncolumns);
		table_free(&table);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };
	struct sidecar_process *found;

	if (!whole)
		set_up();
	uint8_t *const bytes = malloc(whole_size);
	fuzz_expect(bytes != NULL);
	memcpy(bytes, whole, whole_size);
	edit(bytes, &in);
	make_checksum_right(bytes);
	write_file(sidecar, bytes, whole_size);
	free(bytes);
	const uint32_t count = sidecar_open(snapshot, &found);
	for (uint32_t i = 0; i < count; i++)
		look(&found[i]);
	for (uint32_t i = 0; i < count; i++) {
		analysis_destroy(found[i].analysis);
		heap_destroy(found[i].heap);
	}
	free(found);
	return 0;
}
