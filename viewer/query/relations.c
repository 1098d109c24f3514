/* SPDX-License-Identifier: MIT */
/* relations - see relations.h. */
#include "viewer/query/relations.h"

#include <string.h>

#include "viewer/report/report.h"

extern const struct relation relation_snapshot, relation_type, relation_object,
	relation_ref, relation_attribute, relation_root, relation_local, relation_module,
	relation_thread, relation_frame, relation_buffer, relation_map, relation_fact,
	relation_path, relation_referrers, relation_referents, relation_dominated,
	relation_retained_set, relation_reachable, relation_same_path, relation_site,
	relation_trace;

const struct relation *const relations_all[] = {
	&relation_snapshot,
	&relation_type,
	&relation_object,
	&relation_ref,
	&relation_attribute,
	&relation_root,
	&relation_local,
	&relation_module,
	&relation_thread,
	&relation_frame,
	&relation_buffer,
	&relation_map,
	&relation_fact,
	&relation_path,
	&relation_referrers,
	&relation_referents,
	&relation_dominated,
	&relation_retained_set,
	&relation_reachable,
	&relation_same_path,
	&relation_site,
	&relation_trace,
	NULL,
};

int relations_register(sqlite3 *db, struct catalog *catalog)
{
	int rc = SQLITE_OK;

	for (size_t i = 0; relations_all[i] && rc == SQLITE_OK; i++)
		rc = relation_register(db, catalog, relations_all[i], NULL);
	for (size_t i = 0; report_all[i] && rc == SQLITE_OK; i++) {
		struct relation *relation;

		if (!strcmp(report_all[i]->name, "objects"))
			continue; /* the table `object` is that */
		relation = relation_report_create(report_all[i]);
		rc = relation ? relation_register(db, catalog, relation, relation) :
				SQLITE_NOMEM;
	}
	return rc;
}
