/* SPDX-License-Identifier: MIT */
/*
 * context_var - the values of ContextVars, by variable.
 *
 * A Context has its variables in a hash trie (Python/hamt.c): hamt -> root -> nodes,
 * whose references, as tp_traverse tells them, are a value before its key, or a node
 * below by itself.  A value that is itself a ContextVar is told apart by that order.
 */
#ifndef PYMEM_VIEWER_ANALYSIS_CONTEXT_VAR_H
#define PYMEM_VIEWER_ANALYSIS_CONTEXT_VAR_H

#include "viewer/analysis/suspects.h"

/* Whether node is part of the trie: a hamt or one of its nodes. */
bool context_var_is_trie(const struct heap *heap, uint32_t node);
/* The ContextVar that value is the value of in that node; HEAP_NONE: of none. */
uint32_t context_var_of(const struct heap *heap, uint32_t trie_node, uint32_t value);
/* The name that a ContextVar was made with; HEAP_NONE: not known. */
uint32_t context_var_name(const struct heap *heap, uint32_t variable);
/* Where most of what a suspect's members, contexts or what holds such, retain are the
 * values of one variable: makes these its members. 0 or -ENOMEM. */
int context_var_explain(const struct analysis *analysis, struct suspect *s);

#endif
