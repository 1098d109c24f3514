/* SPDX-License-Identifier: MIT */
/* words - the tables; see words.h. */
#include "formats/core/words.h"

const struct words_label words_labels[SNAP_LABEL_KIND_COUNT] = {
	[SNAP_LABEL_OTHER] = { "other", "", "reference", "" },
	[SNAP_LABEL_ATTR] = { "attr", ".", NULL, "." },
	[SNAP_LABEL_KEY] = { "key", "key ", "key", ".keys()" },
	[SNAP_LABEL_VALUE] = { "value", "[", NULL, "" },
	[SNAP_LABEL_INDEX] = { "index", "[", NULL, "" },
	[SNAP_LABEL_ELEMENT] = { "other", "element", NULL, "{element}" },
	[SNAP_LABEL_LOCAL] = { "local", "local ", NULL, " local " },
	[SNAP_LABEL_CELL] = { "cell", "closure ", NULL, " closure " },
	[SNAP_LABEL_TYPE] = { "type", "__class__", "__class__", ".__class__" },
	[SNAP_LABEL_WEAK] = { "weak", "weak", "weak", " weak" },
	[SNAP_LABEL_STACK] = { "other", "stack", "stack", " temporary" },
	[SNAP_LABEL_DICT] = { "attr", ".__dict__", "__dict__", ".__dict__" },
};

const struct words_root words_roots[SNAP_ROOT_KIND_COUNT] = {
	[SNAP_ROOT_OTHER] = { "other" },
	[SNAP_ROOT_MODULE] = { "module" },
	[SNAP_ROOT_INTERPRETER] = { "interpreter" },
	[SNAP_ROOT_STATIC_TYPE] = { "static_type" },
	[SNAP_ROOT_INTERNED] = { "interned" },
	[SNAP_ROOT_THREAD] = { "thread" },
	[SNAP_ROOT_LOCAL] = { "local" },
	[SNAP_ROOT_STACK] = { "stack" },
	[SNAP_ROOT_FRAME] = { "frame" },
	[SNAP_ROOT_EXCEPTION] = { "exception" },
	[SNAP_ROOT_C_STATIC] = { "c_static" },
	[SNAP_ROOT_ATEXIT] = { "atexit" },
};
