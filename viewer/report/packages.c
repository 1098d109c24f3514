/* SPDX-License-Identifier: MIT */
/* packages, modules - whose the memory is (analysis/packages.h). */
#include "viewer/analysis/packages.h"

#include <string.h>

#include "viewer/report/common.h"

#define COLUMNS(key, title) \
	{ \
		{ key, title, CELL_TEXT, false }, \
			{ "count", "Objects", CELL_COUNT, false }, \
			{ "size", "Size", CELL_BYTES, false }, \
			{ "held", "Held for it", CELL_BYTES, false }, \
			{ "share", "Share", CELL_RATIO, false }, \
			{ "retained", "Retained", CELL_BYTES, false }, \
	}

static const struct column package_columns[] = COLUMNS("package", "Package");
static const struct column module_columns[] = COLUMNS("module", "Module");

static int report_packages_add(const struct report_context *context, bool modules,
			       struct table *table)
{
	struct packages packages = { 0 };
	struct text scratch = { 0 };
	int err =
		packages_build(&packages, context->analysis, modules, context->progress);

	for (size_t i = 0; i < VEC_COUNT(packages.all, struct package) && !err; i++) {
		const struct package *p = VEC(packages.all, struct package) + i;
		const char *name = packages_name(&packages, p);
		struct row row;

		if (!p->count)
			continue;
		row_begin(&row, table, p->node, 0);
		row_raw(&row, &scratch, name, strlen(name));
		row_u64(&row, p->count);
		row_u64(&row, p->size);
		row_u64(&row, p->held);
		row_ratio(&row, ratio_of(p->held, context->heap->size));
		row_u64(&row, p->retained);
		err = row_end(&row);
	}
	packages_free(&packages);
	text_free(&scratch);
	return err;
}

static int report_packages_run(const struct report_context *context,
			       const struct report_params *params, struct table *table)
{
	(void)params;
	return report_packages_add(context, false, table);
}

static int report_modules_run(const struct report_context *context,
			      const struct report_params *params, struct table *table)
{
	(void)params;
	return report_packages_add(context, true, table);
}

const struct report report_packages = {
	.name = "packages",
	.title = "By package",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = package_columns,
	.ncolumns = COUNT_OF(package_columns),
	.run = report_packages_run,
};

const struct report report_modules = {
	.name = "modules",
	.title = "By module",
	.needs = NEEDS_ANALYSIS,
	.limit = 40,
	.columns = module_columns,
	.ncolumns = COUNT_OF(module_columns),
	.run = report_modules_run,
};
