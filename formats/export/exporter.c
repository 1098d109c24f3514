/* SPDX-License-Identifier: MIT */
/* exporter - the table of formats; see exporter.h. */
#include "formats/export/exporter.h"

#include <assert.h>
#include <string.h>

const struct exporter *const exporter_all[] = {
	&exporter_jsonl,
	NULL,
};

const struct exporter *exporter_find(const char *name)
{
	assert(name);
	for (size_t i = 0; exporter_all[i]; i++)
		if (strcmp(exporter_all[i]->name, name) == 0)
			return exporter_all[i];
	return NULL;
}
