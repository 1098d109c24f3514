/* SPDX-License-Identifier: MIT */
/*
 * type_flags - the bits of tp_flags, by name.
 *
 * Include/object.h, the same in 3.6 to 3.15; where a bit meant something else or
 * nothing before some version, that version is named, and layout.h says which holds.
 */
#ifndef PYMEM_AGENT_PYTHON_TYPE_FLAGS_H
#define PYMEM_AGENT_PYTHON_TYPE_FLAGS_H

#define TYPE_FLAG(bit) (1ULL << (bit))
#define TYPE_INLINE_VALUES TYPE_FLAG(2)	  /* 3.13: attributes lie in the object */
#define TYPE_MANAGED_WEAKREF TYPE_FLAG(3) /* 3.12 */
#define TYPE_MANAGED_DICT TYPE_FLAG(4)	  /* 3.11 */
#define TYPE_PRE_HEADER (TYPE_MANAGED_WEAKREF | TYPE_MANAGED_DICT)
#define TYPE_HEAP TYPE_FLAG(9) /* made at run time */
#define TYPE_READY TYPE_FLAG(12)
#define TYPE_HAVE_GC TYPE_FLAG(14)
#define TYPE_INT_SUBCLASS TYPE_FLAG(24)
#define TYPE_LIST_SUBCLASS TYPE_FLAG(25)
#define TYPE_TUPLE_SUBCLASS TYPE_FLAG(26)
#define TYPE_BYTES_SUBCLASS TYPE_FLAG(27)
#define TYPE_STR_SUBCLASS TYPE_FLAG(28)
#define TYPE_DICT_SUBCLASS TYPE_FLAG(29)
#define TYPE_EXCEPTION_SUBCLASS TYPE_FLAG(30)
#define TYPE_TYPE_SUBCLASS TYPE_FLAG(31)

#endif
