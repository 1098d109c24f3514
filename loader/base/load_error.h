/* SPDX-License-Identifier: MIT */
/*
 * load_error - why something that concerns another process could not be done: a
 * code to branch on, the errno if one was involved, and one sentence for the
 * user that names cause and remedy.
 */
#ifndef PYMEM_LOADER_BASE_LOAD_ERROR_H
#define PYMEM_LOADER_BASE_LOAD_ERROR_H

enum load_error_code {
	LOAD_OK = 0,
	LOAD_E_GONE, /* no such process, or it ended meanwhile */
	LOAD_E_NOT_PYTHON,
	LOAD_E_UNSUPPORTED,   /* 32-bit, kernel thread, static without ld.so, ... */
	LOAD_E_PERMISSION,    /* text says which rule refused */
	LOAD_E_TRACED,	      /* text names the tracer */
	LOAD_E_NO_SAFE_POINT, /* the external method may work */
	LOAD_E_STATE,	      /* stopped, vfork, zombie, D state */
	LOAD_E_CALL,	      /* the injected call failed: dlopen's own words */
	LOAD_E_TIMEOUT,
	LOAD_E_BUSY,   /* another loader is at it */
	LOAD_E_SYSTEM, /* an unexpected errno */
};

struct load_error {
	enum load_error_code code;
	int sys;	/* errno, or 0 */
	char text[512]; /* may quote the target: not safe for a terminal as is */
};

/* Fills *err (which may be NULL) and returns -1. The text is cut to its room. */
int load_fail(struct load_error *err, enum load_error_code code, int sys,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
