/* SPDX-License-Identifier: MIT */
/* report - the list of reports, and running one (report.h). */
#include "viewer/report/report.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "viewer/report/table.h"
#include "viewer/text/text.h"

extern const struct report report_overview, report_suspects, report_types,
	report_packages, report_modules, report_objects, report_dominators, report_paths,
	report_referrers, report_referents, report_threads, report_tasks,
	report_inspections, report_diff, report_growth, report_duplicates, report_waste,
	report_budget, report_native, report_hidden, report_sizes, report_roots,
	report_errors, report_maps, report_sites, report_site_growth, report_allocators;

const struct report *const report_all[] = {
	&report_overview,    &report_suspects,	 &report_inspections, &report_types,
	&report_packages,    &report_modules,	 &report_sites,	      &report_objects,
	&report_dominators,  &report_paths,	 &report_referrers,   &report_referents,
	&report_threads,     &report_tasks,	 &report_diff,	      &report_growth,
	&report_site_growth, &report_duplicates, &report_waste,	      &report_budget,
	&report_native,	     &report_hidden,	 &report_sizes,	      &report_roots,
	&report_errors,	     &report_maps,	 &report_allocators,  NULL,
};

const struct report *report_find(const char *name)
{
	for (size_t i = 0; report_all[i]; i++)
		if (!strcmp(report_all[i]->name, name))
			return report_all[i];
	return NULL;
}

const char *report_column_key(const struct report *report, const char *name)
{
	for (size_t c = 0; c < report->ncolumns; c++)
		if (!strcasecmp(report->columns[c].key, name) ||
		    !strcasecmp(report->columns[c].title, name))
			return report->columns[c].key;
	return NULL;
}

int report_run(const struct report *report, const struct report_context *context,
	       const struct report_params *params, struct table *table)
{
	struct report_params effective = *params;
	int err;

	assert(context->heap);
	if (params->all)
		effective.limit = 0;
	else if (!params->limit)
		effective.limit = report->limit;
	table_init(table, report);
	table->whole = params->all;
	if (report->needs & NEEDS_OLD && !context->old) {
		table->error =
			"nothing to compare with: name an older snapshot with --compare";
		return 0;
	}
	const unsigned long failures = text_failures();
	err = report->run(context, &effective, table);
	if (!err && text_failures() != failures)
		err = -ENOMEM; /* a cell lacks some of its text */
	if (err)
		return err;
	return table_arrange(table, &effective,
			     report->rows_are_steps ? 0 : effective.limit);
}
