/* SPDX-License-Identifier: MIT */
/* modules - see modules.h. */
#include "agent/heap/roots/modules.h"

#include "agent/heap/core/events.h"
#include "agent/python/dict.h"
#include "agent/python/type.h"

uint64_t modules_get(struct walk *w, const struct interp *interp, const char *name)
{
	uint64_t module = interp->modules ? dict_get(w->lay, interp->modules, name) : 0;

	if (!module ||
	    !type_is_subtype(w->lay, object_type(w->lay, module),
			     CPYTHON_ADDR(w->py, module_type)))
		return 0;
	return module;
}

uint64_t modules_value(struct walk *w, const struct interp *interp, const char *module,
		       const char *name)
{
	uint64_t addr = modules_get(w, interp, module);
	uint64_t dict = addr ? peek64(addr + w->lay->head) : 0; /* md_dict */

	return dict ? dict_get(w->lay, dict, name) : 0;
}

/* The dict holds the counted references; these give the modules their names. */
void modules_emit(struct walk *w, const struct interp *interp)
{
	struct dict_iter iter;
	uint64_t key, value;

	if (!interp->modules || !dict_begin(w->lay, interp->modules, &iter))
		return;
	while (dict_next(&iter, &key, &value) && !w->err)
		if (value != CPYTHON_ADDR(w->py, none))
			events_root(w, SNAP_ROOT_MODULE, SNAP_ROOT_BORROWED, 0, 0,
				    interps_name_object(w, interp, key), value);
}
