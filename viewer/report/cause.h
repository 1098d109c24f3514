/* SPDX-License-Identifier: MIT */
/*
 * cause - how a suspect is reached, what usually causes such a one and what to do.
 *
 * The words are data: a table of rules (cause_table.c) of which the first that fits
 * applies.  A rule looks at what a suspect is, at its members or at what is on its path.
 * It says what is usual, never what is certain.
 */
#ifndef PYMEM_VIEWER_REPORT_CAUSE_H
#define PYMEM_VIEWER_REPORT_CAUSE_H

#include "viewer/analysis/suspects.h"
#include "viewer/text/text.h"

enum cause_where {		      /* what a rule looks at */
		   CAUSE_MEMORY,      /* enum suspect_memory of what no object holds */
		   CAUSE_FORM,	      /* enum cause_form */
		   CAUSE_GROUP,	      /* enum heap_synth_kind of the point */
		   CAUSE_MEMBER_TYPE, /* what most of it is: its type, or a base */
		   CAUSE_MEMBER_KIND, /* ... enum snap_kind */
		   CAUSE_INSIDE_KIND, /* ... of what most of each member lies in */
		   CAUSE_PATH_TYPE,   /* any object on its path, itself included */
		   CAUSE_PATH_KIND,   /* ... enum snap_kind */
		   CAUSE_ROOT,	      /* enum heap_synth_kind on its path */
		   CAUSE_NODE_TYPE,   /* the container itself */
		   CAUSE_NODE_KIND,   /* ... enum snap_kind */
		   CAUSE_ANY,
};

enum cause_form {
	CAUSE_USUAL,	 /* every Python process has it (analysis/usual.h) */
	CAUSE_VARIABLE,	 /* values of a ContextVar */
	CAUSE_RECURSION, /* local variables of one function in several frames */
	CAUSE_CALL,	 /* ... in one */
	CAUSE_WRAPPED,	 /* a chain of functions */
	CAUSE_CALLBACKS, /* those of a future of asyncio */
	CAUSE_WAITERS,	 /* for a lock of asyncio, or the like */
	CAUSE_UNSENT,	 /* what a connection was given to send */
	CAUSE_UNREAD,	 /* what came on one and nobody has read */
	CAUSE_QUERIES,	 /* those that Django notes while it is debugged */
	CAUSE_VIEWS,	 /* arrays that keep far larger ones, which they are views of */
	CAUSE_CHAIN,
	CAUSE_TREE,
	CAUSE_NATIVE,
	CAUSE_SCATTERED, /* no holder in common */
	CAUSE_CANCELLED, /* timers, most of them cancelled */
	CAUSE_DONE,	 /* tasks or greenlets, most of them done */
	CAUSE_ENDED,	 /* Thread objects, most of ended threads */
	CAUSE_SELF_HELD, /* a weak dictionary whose entries keep themselves */
	CAUSE_FINALIZER, /* weakref.finalize, most of whose callbacks keep their object */
	CAUSE_CONTEXT,	 /* exceptions that refer to one another */
	CAUSE_TRACED,	 /* exceptions, most of which have their traceback */
	CAUSE_DEFINED,	 /* the classes of a module */
	CAUSE_NAMESPACE, /* variables of a module, several together */
	CAUSE_PARSED,	 /* elements of a document that is read in steps */
	CAUSE_EMPTIED,	 /* a container with room for far more than it has */
};

struct cause {
	enum cause_where where;
	unsigned value;	   /* of the enum named above */
	const char *types; /* qualified names, a space between, or NULL; FORM: of the
			    * members, too; MEMORY: whose it is: the allocator, or
			    * tracemalloc */
	const char *usual, *remedy;
};

extern const struct cause cause_table[]; /* ends with CAUSE_ANY */

/* Never NULL. */
const struct cause *cause_of(const struct analysis *analysis, const struct suspect *s);
/* Appends from where it is reached: "a variable of the module shop.cache". */
void cause_reached(struct text *out, const struct analysis *analysis,
		   const struct suspect *s);

#endif
