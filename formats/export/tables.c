/* SPDX-License-Identifier: MIT */
/* tables - see tables.h. */
#include "formats/export/tables.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void tables_deinit(struct tables *t)
{
	free(t->text);
	free(t->ends);
	free(t->types);
	free(t->shapes);
	free(t->labels);
	*t = (struct tables){ 0 };
}

/* The array with room for `want` elements, or NULL; the old one stays valid then. */
static void *tables_reserve(void *array, size_t *capacity, size_t want, size_t size)
{
	const size_t more = 2 * want + 64;
	void *grown;

	assert(size > 0);
	if (want <= *capacity)
		return array;
	grown = reallocarray(array, more, size);
	if (grown)
		*capacity = more;
	return grown;
}

int tables_string(struct tables *t, uint32_t id, const char *text, size_t size)
{
	uint64_t *const ends = tables_reserve(t->ends, &t->strings_capacity,
					      (size_t)id + 1, sizeof(*ends));
	char *bytes;

	if (!ends)
		return -ENOMEM;
	t->ends = ends;
	bytes = tables_reserve(t->text, &t->text_capacity, t->text_size + size + 1, 1);
	if (!bytes)
		return -ENOMEM;
	t->text = bytes;
	if (size > 0)
		memcpy(t->text + t->text_size, text, size);
	t->text_size += size;
	if (id == 1)
		t->ends[0] = 0;
	t->ends[id] = t->text_size;
	t->strings = id;
	return 0;
}

int tables_type(struct tables *t, const struct snap_type *type)
{
	struct snap_type *const types =
		tables_reserve(t->types, &t->types_capacity, type->id, sizeof(*types));

	if (!types)
		return -ENOMEM;
	t->types = types;
	t->types[type->id - 1] = *type;
	t->ntypes = type->id;
	return 0;
}

int tables_shape(struct tables *t, const struct snap_shape *shape)
{
	struct tables_shape *const shapes = tables_reserve(t->shapes, &t->shapes_capacity,
							   shape->id, sizeof(*shapes));
	struct snap_label *labels;

	if (!shapes)
		return -ENOMEM;
	t->shapes = shapes;
	labels = tables_reserve(t->labels, &t->labels_capacity,
				t->nlabels + shape->nfixed + 1, sizeof(*labels));
	if (!labels)
		return -ENOMEM;
	t->labels = labels;
	t->shapes[shape->id - 1] =
		(struct tables_shape){ t->nlabels, shape->nfixed, shape->tail };
	if (shape->nfixed > 0)
		memcpy(labels + t->nlabels, shape->fixed,
		       shape->nfixed * sizeof(*labels));
	t->nlabels += shape->nfixed;
	t->nshapes = shape->id;
	return 0;
}

const char *tables_text(const struct tables *t, uint32_t id, size_t *size_ret)
{
	*size_ret = 0;
	if (id == 0 || id > t->strings)
		return "";
	*size_ret = (size_t)(t->ends[id] - t->ends[id - 1]);
	return t->text + t->ends[id - 1];
}

const struct snap_type *tables_find_type(const struct tables *t, uint32_t id)
{
	return id == 0 || id > t->ntypes ? NULL : &t->types[id - 1];
}

struct snap_label tables_label(const struct tables *t, uint32_t shape, uint32_t i)
{
	static const uint8_t kinds[SNAP_TAIL_COUNT] = {
		[SNAP_TAIL_OTHER] = SNAP_LABEL_OTHER,
		[SNAP_TAIL_INDEX] = SNAP_LABEL_INDEX,
		[SNAP_TAIL_PAIRS] = SNAP_LABEL_KEY,
		[SNAP_TAIL_ELEMENT] = SNAP_LABEL_ELEMENT,
		[SNAP_TAIL_WEAK] = SNAP_LABEL_WEAK,
		[SNAP_TAIL_STACK] = SNAP_LABEL_STACK,
	};
	const struct tables_shape *s;

	if (shape == 0 || shape > t->nshapes)
		return (struct snap_label){ SNAP_LABEL_OTHER, 0 };
	s = &t->shapes[shape - 1];
	if (i < s->nfixed)
		return t->labels[s->labels + i];
	if (s->tail == SNAP_TAIL_PAIRS && (i - s->nfixed) % 2 == 1)
		return (struct snap_label){ SNAP_LABEL_VALUE, 0 };
	return (struct snap_label){ kinds[s->tail], 0 };
}
