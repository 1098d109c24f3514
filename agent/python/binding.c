/* SPDX-License-Identifier: MIT */
/*
 * binding - see binding.h.
 *
 * CPython may be the executable itself, a libpython in the global scope, or one
 * that an embedding application loaded with RTLD_LOCAL: then no default lookup
 * sees it and every loaded object is asked.  A process with two of them is
 * refused: we could not tell whose objects are whose.
 */
#include "agent/python/binding.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/base/libc.h"
#include "agent/python/version_text.h"
#include "agent/python/versions.h"

static struct cpython the_cpython;

/* What a search over the loaded objects found. */
struct search {
	void *handle; /* of the object that defines Py_GetVersion */
	void *function;
	unsigned found; /* distinct ones */
	bool pypy;
};

static int binding_search(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	void *handle, *fn;

	(void)size;
	if (!info->dlpi_name || !info->dlpi_name[0])
		return 0;
	handle = dlopen(info->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
	if (!handle)
		return 0;
	fn = dlsym(handle, "Py_GetVersion");
	search->pypy |= dlsym(handle, "PyPyType_Type") != NULL;
	if (fn && fn != search->function && dlsym(handle, "PyType_Type")) {
		search->function = fn;
		search->handle = handle; /* kept open; closed with the agent */
		search->found++;
		return 0;
	}
	dlclose(handle);
	return 0;
}

/* RTLD_DEFAULT is NULL in glibc, so the handle is returned apart. */
static bool binding_find(void **handle_ret, char *err, size_t err_size)
{
	struct search search = { 0 };

	if (dlsym(RTLD_DEFAULT, "Py_GetVersion") && dlsym(RTLD_DEFAULT, "PyType_Type")) {
		*handle_ret = RTLD_DEFAULT;
		return true;
	}
	search.pypy = dlsym(RTLD_DEFAULT, "PyPyType_Type") != NULL;
	dl_iterate_phdr(binding_search, &search);
	if (search.found == 1) {
		*handle_ret = search.handle;
		return true;
	}
	if (search.found > 1)
		snprintf(err, err_size,
			 "this process has loaded %u CPython libraries; "
			 "pymem can't tell their objects apart",
			 search.found);
	else if (search.pypy)
		snprintf(err, err_size,
			 "this process runs PyPy; pymem reads CPython only");
	else
		snprintf(err, err_size, "this process has not loaded CPython");
	return false;
}

static void *binding_symbol(void *handle, const char *name)
{
	return dlsym(handle, name);
}

/* "3.11.7 (main, ...)" -> 0x030b07; 0 = not understood. */
static uint32_t binding_version(const char *text)
{
	unsigned part[3] = { 0 };

	for (int i = 0; i < 3; i++) {
		if (*text < '0' || *text > '9')
			return 0;
		while (*text >= '0' && *text <= '9' && part[i] < 256)
			part[i] = part[i] * 10 + (unsigned)(*text++ - '0');
		if (i < 2 && *text++ != '.')
			return i == 1 ? part[0] << 16 | part[1] << 8 : 0;
	}
	if (part[0] > 255 || part[1] > 255 || part[2] > 255)
		return 0;
	return part[0] << 16 | part[1] << 8 | part[2];
}

/* Only an interpreter that never made sys has no such text; then nobody reads it. */
static void binding_version_text(struct cpython *py, void *handle)
{
	union {
		void *p;
		const char *(*fn)(void);
	} version;

	if (version_text_find(dlsym(handle, "PyType_Type"), py->version_text,
			      sizeof(py->version_text)))
		return;
	version.p = dlsym(handle, "Py_GetVersion");
	snprintf(py->version_text, sizeof(py->version_text), "%s", version.fn());
}

struct cpython *cpython_bind(char *err, size_t err_size)
{
	static bool bound; /* the table is in use by others from then on */
	struct cpython *py = &the_cpython;
	void *handle;

	if (bound)
		return py;
	if (!binding_find(&handle, err, err_size))
		return NULL;
	memset(py, 0, sizeof(*py));
	binding_version_text(py, handle);
	py->version = binding_version(py->version_text);
	if (py->version < 0x030600 || py->version >= 0x040000) {
		snprintf(err, err_size,
			 "Python %.*s is not supported: pymem reads CPython "
			 "3.6 and later",
			 (int)strcspn(py->version_text, " "), py->version_text);
		return NULL;
	}
	if (!symbols_fill(py, binding_symbol, handle, err, err_size))
		return NULL;
	__sync_synchronize();
	bound = true;
	return py;
}

bool cpython_atexit_is_per_interpreter(const struct cpython *py)
{
	return versions_since(py, 10);
}

bool cpython_pending_call_raises(const struct cpython *py)
{
	return versions_since(py, 8) && !versions_since(py, 9);
}

enum cpython_gils cpython_gils(const struct cpython *py)
{
	if (py->sym.ft_marker)
		return CPYTHON_GIL_NONE;
	if (!versions_since(py, 12))
		return CPYTHON_GIL_ONE;
	return versions_since(py, 13) ? CPYTHON_GIL_MUTEX : CPYTHON_GIL_LOCK;
}

/* Calls a symbol of type int (void). */
static int binding_call_int(void *symbol)
{
	union {
		void *p;
		int (*fn)(void);
	} u = { symbol };

	return u.fn();
}

bool cpython_initialized(const struct cpython *py)
{
	return binding_call_int(py->sym.is_initialized) != 0;
}

bool cpython_finalizing(const struct cpython *py)
{
	if (py->sym.is_finalizing)
		return binding_call_int(py->sym.is_finalizing) != 0;
	if (py->sym.is_finalizing_old)
		return binding_call_int(py->sym.is_finalizing_old) != 0;
	if (py->sym.finalizing) /* 3.6: the thread that finalizes, or NULL */
		return *(void *const volatile *)py->sym.finalizing != NULL;
	return false;
}

int cpython_gil_ensure(const struct cpython *py)
{
	return binding_call_int(py->sym.gil_ensure);
}

void cpython_gil_release(const struct cpython *py, int state)
{
	union {
		void *p;
		void (*fn)(int);
	} u = { py->sym.gil_release };

	u.fn(state);
}
