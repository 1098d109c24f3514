/* SPDX-License-Identifier: MIT */
/* pymem-gen - writes the snapshot of a made-up heap; see heap.h. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/core/index.h"
#include "formats/core/writer.h"
#include "heap.h"

struct output {
	FILE *file;
	struct snap_indexer *indexer;
};

static int write_bytes(void *arg, const void *data, size_t size)
{
	struct output *const out = arg;

	if (out->file && fwrite(data, 1, size, out->file) != size)
		return errno ? -errno : -EIO;
	return snap_indexer_feed(out->indexer, data, size);
}

/* Appends INDEX and trailer. */
static int finish(struct output *out)
{
	void *data;
	size_t size;
	int err = snap_indexer_finish(out->indexer, &data, &size);

	if (err)
		return err;
	if (out->file &&
	    (fwrite(data, 1, size, out->file) != size || fflush(out->file) != 0))
		err = errno ? -errno : -EIO;
	free(data);
	return err;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int generate(const struct gen_options *options, struct output *out)
{
	const size_t size = (snap_writer_memory() + 63) & ~(size_t)63;
	void *const memory = aligned_alloc(64, size);
	struct snap_writer_totals totals;
	struct snap_writer *writer;
	const double start = now();
	int err = -ENOMEM;

	writer = memory ? snap_writer_init(memory, size, write_bytes, out, &err) : NULL;
	if (writer)
		err = gen_heap(snap_writer_sink(writer), options);
	if (err == 0)
		err = finish(out);
	if (err == 0) {
		snap_writer_totals(writer, &totals);
		fprintf(stderr,
			"%llu objects, %llu references, %llu bytes, %.2f bytes/object, "
			"%.1f ns/object\n",
			(unsigned long long)totals.objects,
			(unsigned long long)totals.edges,
			(unsigned long long)totals.bytes_out,
			(double)totals.bytes_out / (double)totals.objects,
			(now() - start) * 1e9 / (double)totals.objects);
	}
	free(memory);
	return err;
}

static const char usage[] =
	"usage: pymem-gen [-n OBJECTS] [-s SEED] [-p PID] [-t CLASSES] [-l "
	"LEAK[:PERCENT]]\n"
	"                 [-V] [-a] [-o FILE]\n"
	"Writes the snapshot of a made-up heap. OBJECTS may end in k or M. LEAK: who "
	"holds the\n"
	"leaked app.cache.Session objects: module (app.cache: the dict entry "
	"'sessions'),\n"
	"lru (a node of a ring), closure. -V: no values. -a: append to FILE (several "
	"processes).\n"
	"-o /dev/null or without -o: writes nothing, tells sizes and times only.\n";

static enum gen_leak parse_leak(const char *text, uint32_t *percent)
{
	const size_t length = strcspn(text, ":");

	for (int i = 0; i < GEN_LEAK_COUNT; i++) {
		if (strlen(gen_leak_names[i]) != length ||
		    strncmp(text, gen_leak_names[i], length) != 0)
			continue;
		*percent = text[length] ? (uint32_t)strtoul(text + length + 1, NULL, 10) :
					  30;
		return (enum gen_leak)i;
	}
	return GEN_LEAK_COUNT;
}

static uint64_t parse_count(const char *text)
{
	char *end;
	const double number = strtod(text, &end);

	return (uint64_t)(number * (*end == 'M' ? 1e6 : *end == 'k' ? 1e3 : 1));
}

static int parse(int argc, char **argv, struct gen_options *options, const char **path,
		 const char **mode)
{
	int c;

	while ((c = getopt(argc, argv, "n:s:p:t:l:Vao:h")) != -1) {
		switch (c) {
		case 'n':
			options->objects = parse_count(optarg);
			break;
		case 's':
			options->seed = strtoull(optarg, NULL, 10);
			break;
		case 'p':
			options->pid = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 't':
			options->types = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'l':
			options->leak = parse_leak(optarg, &options->leak_percent);
			if (options->leak == GEN_LEAK_COUNT)
				return -1;
			break;
		case 'V':
			options->no_values = true;
			break;
		case 'a':
			*mode = "ab";
			break;
		case 'o':
			*path = optarg;
			break;
		default:
			return -1;
		}
	}
	return optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct gen_options options = { .objects = 100000, .seed = 1, .pid = 4242 };
	struct output out = { .indexer = snap_indexer_create() };
	const char *path = NULL, *mode = "wb";
	int err;

	if (parse(argc, argv, &options, &path, &mode) != 0) {
		fputs(usage, stderr);
		return 2;
	}
	out.file = path ? fopen(path, mode) : NULL;
	if ((path && !out.file) || !out.indexer) {
		fprintf(stderr, "pymem-gen: %s: %s\n", path ? path : "", strerror(errno));
		return 1;
	}
	err = generate(&options, &out);
	if (out.file && fclose(out.file) != 0 && err == 0)
		err = -errno;
	snap_indexer_destroy(out.indexer);
	if (err)
		fprintf(stderr, "pymem-gen: %s\n", strerror(-err));
	return err ? 1 : 0;
}
