/* SPDX-License-Identifier: MIT */
/*
 * version_text - what Py_GetVersion gives, without calling it.
 *
 * In older versions Py_GetVersion writes its static buffer anew each time it is called
 * (Python/getversion.c), and glibc's snprintf begins with making it empty: another thread
 * that reads it at that moment - the interpreter that makes sys.version, an extension
 * that compares versions when it is imported - finds it empty or cut.  So nobody calls
 * it; the buffer has no symbol, but is easily told in the interpreter's writable data.
 */
#ifndef PYMEM_AGENT_PYTHON_VERSION_TEXT_H
#define PYMEM_AGENT_PYTHON_VERSION_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies the text, such as "3.11.7 (main, ...) [GCC 12.2.0]".  inside: any address in
 * the executable or library that is the interpreter.  False: it isn't there (yet: it is
 * filled when sys is made).  Any thread, no GIL; allocates nothing.
 */
bool version_text_find(const void *inside, char *ret, size_t size);

#endif
