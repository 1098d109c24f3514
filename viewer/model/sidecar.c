/* SPDX-License-Identifier: MIT */
/*
 * sidecar - the model and analysis of a snapshot, ready to be mapped (sidecar.h).
 *
 * The heap's addrmap lines, columns and edges are mapped privately and
 * copy-on-write: nothing is read before it is looked at, but for the check of
 * ids, which streams through the arrays once.
 */
#include "viewer/model/sidecar.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/rights/rights.h"
#include "viewer/files/files.h"
#include "viewer/model/arrays.h"
#include "viewer/model/check.h"

#define MAGIC "\x89PYMEMX\n"
#define VERSION 8u
#define ALIGN 64u
#define MAX_PROCESSES 4096u
#define TAIL_BYTES 65536u
#define ANALYSIS_ARRAYS 5u
#define SECTIONS (sizeof(heap_array_list) / sizeof(heap_array_list[0]) + ANALYSIS_ARRAYS)

struct header {
	char magic[8];
	uint32_t version, processes;
	uint32_t sections;   /* per process */
	uint32_t heap_bytes; /* sizeof(struct heap): another build, another layout */
	uint64_t snapshot_size, snapshot_mtime_ns, snapshot_tail;
	uint64_t file_size;
	uint64_t checksum; /* of header (this field 0) and process records */
};

struct section {
	uint64_t offset, bytes;
};

struct counts { /* of struct heap, in order */
	uint32_t objects, nodes, types, shapes, strings, threads, frames, complete;
	uint64_t slots, edges, weak_edges, dangling, dropped, size;
	uint64_t references_counted, references_explained, values;
};

struct record {
	struct counts counts;
	struct section section[SECTIONS];
	char problem[320];
};

static uint64_t sidecar_hash_bytes(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * 0x100000001b3ull;
	return hash;
}

/* What ties a sidecar to its snapshot. 0 or a negative errno. */
static int sidecar_identify(const char *snapshot, struct header *h)
{
	char *tail;
	struct stat st;
	ssize_t n = -1;
	/* a FIFO that was read: nobody will write to it again */
	int fd = files_open(snapshot, O_NONBLOCK);

	if (fd < 0)
		return -errno;
	tail = malloc(TAIL_BYTES);
	if (tail && !fstat(fd, &st) && S_ISREG(st.st_mode))
		n = pread(fd, tail, TAIL_BYTES,
			  st.st_size > (off_t)TAIL_BYTES ?
				  st.st_size - (off_t)TAIL_BYTES :
				  0);
	if (n >= 0) {
		h->snapshot_size = (uint64_t)st.st_size;
		h->snapshot_mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u +
			(uint64_t)st.st_mtim.tv_nsec;
		h->snapshot_tail =
			sidecar_hash_bytes(0xcbf29ce484222325ull, tail, (size_t)n);
	}
	free(tail);
	close(fd);
	return n >= 0 ? 0 : -EINVAL;
}

static void sidecar_fill_header(struct header *h, uint32_t processes)
{
	memcpy(h->magic, MAGIC, sizeof(h->magic));
	h->version = VERSION;
	h->processes = processes;
	h->sections = SECTIONS;
	h->heap_bytes = sizeof(struct heap);
}

static uint64_t sidecar_checksum(const struct header *h, const struct record *records)
{
	struct header copy = *h;

	copy.checksum = 0;
	return sidecar_hash_bytes(
		sidecar_hash_bytes(0xcbf29ce484222325ull, &copy, sizeof(copy)), records,
		h->processes * sizeof(*records));
}

/* ---- counts ---- */

/* clang-format off */
#define COUNTS(X) \
	X(objects) X(nodes) X(types) X(shapes) X(strings) X(threads) X(frames) \
	X(complete) X(slots) X(edges) X(weak_edges) X(dangling) X(dropped) X(size) \
	X(references_counted) X(references_explained) X(values)
/* clang-format on */

static void sidecar_counts_from(struct counts *counts, const struct heap *heap)
{
#define X(name) counts->name = heap->name;
	COUNTS(X)
#undef X
}

static void sidecar_counts_to(struct heap *heap, const struct counts *counts)
{
#define X(name) heap->name = counts->name;
	COUNTS(X)
#undef X
}

/* Analysis arrays by section number, after the heap's. */
static struct vec *sidecar_analysis_array(struct analysis *a, size_t i)
{
	struct vec *const arrays[ANALYSIS_ARRAYS] = {
		&a->bfs_parent, &a->idom, &a->retained, &a->retained_count, &a->type,
	};

	return arrays[i];
}

static struct vec *sidecar_array_of(struct heap *heap, struct analysis *a, size_t section)
{
	return section < heap_array_count ?
		heap_array(heap, section) :
		sidecar_analysis_array(a, section - heap_array_count);
}

/* ---- saving ---- */

static int sidecar_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static uint64_t sidecar_aligned(uint64_t offset)
{
	return (offset + ALIGN - 1) & ~(uint64_t)(ALIGN - 1);
}

static void sidecar_lay_out(struct header *h, struct record *records,
			    const struct sidecar_process *processes)
{
	uint64_t at = sidecar_aligned(sizeof(*h) + h->processes * sizeof(*records));

	for (uint32_t p = 0; p < h->processes; p++) {
		sidecar_counts_from(&records[p].counts, processes[p].heap);
		memcpy(records[p].problem, processes[p].problem,
		       sizeof(records[p].problem));
		for (size_t s = 0; s < SECTIONS; s++) {
			struct section *section = &records[p].section[s];

			section->offset = at;
			section->bytes = sidecar_array_of(processes[p].heap,
							  processes[p].analysis, s)
						 ->size;
			at = sidecar_aligned(at + section->bytes);
		}
	}
	h->file_size = at;
	h->checksum = sidecar_checksum(h, records);
}

static int sidecar_write_sections(int fd, uint64_t at, const struct header *h,
				  const struct record *records,
				  const struct sidecar_process *processes)
{
	static const char zeroes[ALIGN];
	int err = 0;

	for (uint32_t p = 0; p < h->processes; p++)
		for (size_t s = 0; s < SECTIONS && !err; s++) {
			const struct section *section = &records[p].section[s];
			const struct vec *array = sidecar_array_of(
				processes[p].heap, processes[p].analysis, s);

			err = sidecar_write_all(fd, zeroes, section->offset - at);
			if (!err)
				err = sidecar_write_all(fd, array->data, array->size);
			at = section->offset + section->bytes;
		}
	return err ? err : sidecar_write_all(fd, zeroes, h->file_size - at);
}

static int sidecar_write_file(int fd, struct header *h,
			      const struct sidecar_process *processes)
{
	struct record *records = calloc(h->processes, sizeof(*records));
	int err;

	if (!records)
		return -ENOMEM;
	sidecar_lay_out(h, records, processes);
	err = sidecar_write_all(fd, h, sizeof(*h));
	if (!err)
		err = sidecar_write_all(fd, records, h->processes * sizeof(*records));
	if (!err)
		err = sidecar_write_sections(fd,
					     sizeof(*h) + h->processes * sizeof(*records),
					     h, records, processes);
	free(records);
	return err;
}

static int sidecar_path_of(char path[PATH_MAX], const char *snapshot, const char *suffix)
{
	int n = snprintf(path, PATH_MAX, "%s%s", snapshot, suffix);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int sidecar_save(const char *snapshot, const struct sidecar_process *processes,
		 uint32_t count)
{
	char path[PATH_MAX];
	struct new_file file;
	struct header h = { 0 };
	int err;

	assert(processes || count == 0);
	sidecar_fill_header(&h, count);
	if (count > MAX_PROCESSES || sidecar_path_of(path, snapshot, ".pmx"))
		return -EINVAL;
	err = sidecar_identify(snapshot, &h);
	if (!err)
		err = files_create(&file, path);
	if (err)
		return err;
	file.hasty = true;
	err = sidecar_write_file(file.fd, &h, processes);
	if (err) {
		files_abort(&file);
		return err;
	}
	return files_commit(&file);
}

/* ---- opening ---- */

struct mapping {
	char *data;
	size_t size;
};

static bool sidecar_map_file(const char *snapshot, struct mapping *m)
{
	char path[PATH_MAX];
	struct stat st;
	int fd = -1;

	if (!sidecar_path_of(path, snapshot, ".pmx"))
		fd = files_open(path, O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && rights_is_own(st.st_uid) &&
	    !(st.st_mode & (S_IWGRP | S_IWOTH)) &&
	    st.st_size >= (off_t)sizeof(struct header)) {
		m->size = (size_t)st.st_size;
		m->data = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_NORESERVE, fd, 0);
		if (m->data == MAP_FAILED)
			m->data = NULL;
	}
	close(fd);
	return m->data != NULL;
}

static const struct record *sidecar_check_header(const struct mapping *m,
						 const char *snapshot)
{
	const struct header *h = (const void *)m->data;
	const struct record *records = (const void *)(m->data + sizeof(*h));
	struct header wanted = { 0 };

	sidecar_fill_header(&wanted, h->processes);
	if (memcmp(h->magic, wanted.magic, sizeof(h->magic)) ||
	    h->version != wanted.version || h->sections != wanted.sections ||
	    h->heap_bytes != wanted.heap_bytes || h->file_size != m->size ||
	    !h->processes || h->processes > MAX_PROCESSES ||
	    m->size - sizeof(*h) < h->processes * sizeof(*records))
		return NULL;
	if (h->checksum != sidecar_checksum(h, records) ||
	    sidecar_identify(snapshot, &wanted) ||
	    h->snapshot_size != wanted.snapshot_size ||
	    h->snapshot_tail != wanted.snapshot_tail ||
	    h->snapshot_mtime_ns != wanted.snapshot_mtime_ns)
		return NULL;
	return records;
}

/* A mapping of its own per process, so that each heap can be destroyed alone. */
static bool sidecar_open_process(const char *snapshot, const struct record *record,
				 struct sidecar_process *ret)
{
	struct mapping m = { 0 };
	struct heap *heap = heap_create();
	struct analysis *a = calloc(1, sizeof(*a));
	bool good = heap && a && sidecar_map_file(snapshot, &m);

	if (good) {
		heap->file = m.data;
		heap->file_size = m.size;
		sidecar_counts_to(heap, &record->counts);
		a->heap = heap;
	}
	for (size_t s = 0; s < SECTIONS && good; s++) {
		const struct section *section = &record->section[s];

		good = section->offset % ALIGN == 0 && section->offset <= m.size &&
			section->bytes <= m.size - section->offset;
		if (good)
			*sidecar_array_of(heap, a, s) =
				(struct vec){ .data = m.data + section->offset,
					      .size = section->bytes };
	}
	if (good && check_heap(heap) && check_analysis(a)) {
		memcpy(ret->problem, record->problem, sizeof(ret->problem));
		ret->problem[sizeof(ret->problem) - 1] = '\0';
		ret->heap = heap;
		ret->analysis = a;
		return true;
	}
	analysis_destroy(a);
	heap_destroy(heap);
	return false;
}

uint32_t sidecar_open(const char *snapshot, struct sidecar_process **ret)
{
	struct mapping m = { 0 };
	const struct record *records;
	uint32_t count = 0, opened = 0;

	*ret = NULL;
	if (!sidecar_map_file(snapshot, &m))
		return 0;
	records = sidecar_check_header(&m, snapshot);
	if (records) {
		count = ((const struct header *)(const void *)m.data)->processes;
		*ret = calloc(count, sizeof(**ret));
	}
	while (*ret && opened < count &&
	       sidecar_open_process(snapshot, &records[opened], *ret + opened))
		opened++;
	munmap(m.data, m.size);
	if (*ret && opened < count) {
		while (opened) {
			analysis_destroy((*ret)[--opened].analysis);
			heap_destroy((*ret)[opened].heap);
		}
		free(*ret);
		*ret = NULL;
	}
	return *ret ? count : 0;
}
