/* SPDX-License-Identifier: MIT */
/*
 * fuzz_proc - any text as what /proc and control groups say of a process.  The first
 * byte chooses: maps; status; or a tree of cgroup, mountinfo, meminfo and limits, whose
 * files' sizes are the next bytes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "loader/capture/headroom.h"
#include "loader/target/maps.h"
#include "loader/target/process.h"

static void look_at_maps(struct fuzz_input *in)
{
	struct maps maps;

	if (maps_parse(fuzz_text(in, in->left), &maps) < 0)
		return;
	for (size_t i = 0; i < maps.count; i++) {
		const struct map *m = &maps.list[i];
		const struct map *found = maps_find(&maps, m->start);

		fuzz_expect(!found ||
			    (found >= maps.list && found < maps.list + maps.count));
		fuzz_expect(maps_named(&maps, m->path) != NULL);
	}
	maps_free(&maps);
}

static void look_at_status(struct fuzz_input *in)
{
	char *const text = fuzz_text(in, in->left);

	fuzz_expect(process_text_field(text, "No such key", 10, 77) == 77);
	process_text_field(text, "VmRSS", 10, 0);
	process_text_field(text, "SigBlk", 16, 0);
	free(text);
}

static const char *const tree[] = {
	"/proc/self/mountinfo",
	"/proc/7/cgroup",
	"/proc/meminfo",
	"/cg/memory.max",
	"/cg/memory.high",
	"/cg/memory.current",
	"/cg/memory.stat",
	"/cg/pids.max",
	"/cg/pids.current",
	"/cg/memory.oom.group",
	"/cg/memory.limit_in_bytes",
	"/cg/memory.usage_in_bytes",
};
static char root[] = "/tmp/pymem-fuzz-XXXXXX";

static void take_tree_down(void)
{
	static const char *const folders[] = { "/proc/self", "/proc/7", "/proc", "/cg",
					       "" };
	char path[128];

	for (size_t i = 0; i < sizeof(tree) / sizeof(*tree); i++) {
		snprintf(path, sizeof(path), "%s%s", root, tree[i]);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		rmdir(path);
	}
}

static void put_up_tree(void)
{
	static const char *const folders[] = { "/proc", "/proc/self", "/proc/7", "/cg" };
	char path[128];

	fuzz_expect(mkdtemp(root) != NULL);
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		fuzz_expect(mkdir(path, 0700) == 0);
	}
	atexit(take_tree_down);
}

static void look_at_groups(struct fuzz_input *in)
{
	static int made;
	size_t sizes[sizeof(tree) / sizeof(*tree)];
	struct headroom_watch watch;
	struct headroom found;
	char path[128];

	if (!made++)
		put_up_tree();
	for (size_t i = 0; i < sizeof(tree) / sizeof(*tree); i++)
		sizes[i] = fuzz_take(in, 1) * (i < 3 ? 16 : 1);
	for (size_t i = 0; i < sizeof(tree) / sizeof(*tree); i++) {
		char *const text = fuzz_text(in, sizes[i]);

		snprintf(path, sizeof(path), "%s%s", root, tree[i]);
		const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		fuzz_expect(fd >= 0 && write(fd, text, strlen(text)) >= 0);
		close(fd);
		free(text);
	}
	headroom_open(&watch, root, 7);
	fuzz_expect(watch.count <= HEADROOM_LEVELS);
	headroom_read(&watch, &found);
	fuzz_expect(memchr(found.where, '\0', sizeof(found.where)) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	switch (fuzz_take(&in, 1) % 3) {
	case 0:
		look_at_maps(&in);
		break;
	case 1:
		look_at_status(&in);
		break;
	default:
		look_at_groups(&in);
		break;
	}
	return 0;
}
