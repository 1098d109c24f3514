/* SPDX-License-Identifier: MIT */
/* render - the list of renderers (render.h). */
#include "viewer/render/render.h"

#include <string.h>

const struct renderer *renderer_find(const char *name)
{
	static const struct renderer *const all[] = { &render_text, &render_json,
						      &render_csv };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	return NULL;
}
