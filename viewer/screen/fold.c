/* SPDX-License-Identifier: MIT */
/* fold - see fold.h. */
#include "viewer/screen/fold.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of each group: how many small ones; then, in the second pass, which line has them. */
struct fold_group {
	uint32_t count, line, filled;
};

struct fold_pass {
	const struct fold_by *by;
	struct fold_group *groups;
	uint64_t below; /* one that weighs less is small */
	const struct progress *progress;
};

static bool fold_open(const struct fold *fold, const struct fold_line *line)
{
	return line->count > 1 && (fold->all || line->open);
}

static void fold_number(struct fold *fold)
{
	struct fold_line *const lines = fold->lines.data;

	fold->rows = 0;
	for (size_t i = 0; i < VEC_COUNT(fold->lines, struct fold_line); i++) {
		lines[i].row = fold->rows;
		fold->rows += fold_open(fold, &lines[i]) ? lines[i].count + 1 : 1;
	}
}

/* The group whose row takes the id in; NULL: it stands alone. */
static struct fold_group *fold_group_of(const struct fold_pass *pass, uint32_t id)
{
	const uint32_t group = pass->by->group(pass->by->arg, id);

	assert(group < pass->by->groups);
	return group && pass->by->weight(pass->by->arg, id) < pass->below ?
		&pass->groups[group] :
		NULL;
}

static int fold_count(struct fold_pass *pass, const uint32_t *ids, size_t count)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++)
		all += pass->by->weight(pass->by->arg, ids[i]);
	pass->below = all / pass->by->alone + 1;
	for (size_t i = 0; i < count; i++) {
		struct fold_group *const group = fold_group_of(pass, ids[i]);

		if (group)
			group->count++;
		if (i % PROGRESS_EVERY == 0 &&
		    progress_step(pass->progress, "looking for alike ones", i, count))
			return -ECANCELED;
	}
	return 0;
}

static int fold_line_add(struct fold *fold, uint32_t first, uint32_t count)
{
	const struct fold_line line = { .first = first, .count = count };

	return vec_append(&fold->lines, &line, sizeof(line)) ? -ENOMEM : 0;
}

/* Puts ids into fold->ids, those of a line together. */
static int fold_place(struct fold *fold, struct fold_pass *pass, const uint32_t *ids)
{
	uint32_t next = 0;
	int err = 0;

	for (size_t i = 0; i < fold->count && !err; i++) {
		struct fold_group *const group = fold_group_of(pass, ids[i]);
		const bool together = group && group->count >= pass->by->least;
		const uint32_t count = together ? group->count : 1;

		if (together && group->filled) {
			const struct fold_line *const lines = fold->lines.data;

			fold->ids[lines[group->line].first + group->filled++] = ids[i];
			continue;
		}
		if (together) {
			group->line = (uint32_t)VEC_COUNT(fold->lines, struct fold_line);
			group->filled = 1;
		}
		err = fold_line_add(fold, next, count);
		fold->ids[next] = ids[i];
		next += count;
	}
	return err;
}

static int fold_alike(struct fold *fold, const uint32_t *ids, const struct fold_by *by,
		      const struct progress *progress)
{
	struct fold_pass pass = { .by = by, .progress = progress };
	int err;

	pass.groups = calloc(by->groups, sizeof(*pass.groups));
	err = pass.groups ? fold_count(&pass, ids, fold->count) : -ENOMEM;
	if (!err)
		err = fold_place(fold, &pass, ids);
	free(pass.groups);
	return err;
}

static void fold_singly(struct fold *fold, const uint32_t *ids)
{
	fold->lines.size = 0;
	memcpy(fold->ids, ids, fold->count * sizeof(*ids));
	for (uint32_t i = 0; i < fold->count; i++)
		if (fold_line_add(fold, i, 1))
			break;
}

int fold_make(struct fold *fold, uint32_t *ids, size_t count, const struct fold_by *by,
	      const struct progress *progress)
{
	int err;

	assert(by->alone && by->least > 1);
	fold_free(fold);
	fold->ids = malloc((count + 1) * sizeof(*ids));
	if (!fold->ids) {
		free(ids);
		return -ENOMEM;
	}
	fold->count = count;
	err = count ? fold_alike(fold, ids, by, progress) : 0;
	if (err)
		fold_singly(fold, ids);
	free(ids);
	fold_number(fold);
	return err;
}

void fold_free(struct fold *fold)
{
	free(fold->ids);
	vec_free(&fold->lines);
	*fold = (struct fold){ 0 };
}

static struct fold_line *fold_line_of(const struct fold *fold, size_t row)
{
	struct fold_line *const lines = fold->lines.data;
	size_t low = 0, high = VEC_COUNT(fold->lines, struct fold_line);

	assert(row < fold->rows);
	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (lines[middle].row <= row)
			low = middle;
		else
			high = middle;
	}
	return &lines[low];
}

struct fold_row fold_at(const struct fold *fold, size_t row)
{
	const struct fold_line *const line = fold_line_of(fold, row);
	const bool below = row > line->row;
	const size_t in = below ? row - line->row - 1 : 0;

	return (struct fold_row){ .line = line,
				  .id = fold->ids[line->first + in],
				  .several = line->count > 1 && !below,
				  .below = below,
				  .open = fold_open(fold, line) };
}

size_t fold_toggle(struct fold *fold, size_t row)
{
	struct fold_line *const line = fold_line_of(fold, row);

	line->open = !fold_open(fold, line);
	fold->all = false;
	fold_number(fold);
	return line->row;
}

void fold_show_all(struct fold *fold, bool all)
{
	fold->all = all;
	fold_number(fold);
}

const char *fold_mark(bool ascii, bool open)
{
	return open ? (ascii ? "- " : "\xe2\x96\xbe ") : (ascii ? "+ " : "\xe2\x96\xb8 ");
}
