/* SPDX-License-Identifier: MIT */
/*
 * libc - the newer faces of old functions, asked for by their oldest version.
 *
 * glibc 2.34 merged libpthread and libdl into libc and gave their functions a
 * second, newer symbol version, which a plain link against it would require.
 * The old versions are still there, with the same prototypes and behaviour; and
 * before 2.34 they are what libpthread and libdl (both loaded by any python)
 * define.  ld.so compares names of versions, not of the files they are expected
 * in (elf/dl-lookup.c, check_match), so one agent serves glibc 2.17 onwards.
 *
 * Include it instead of <dlfcn.h> and <pthread.h> in code of the agent.
 * Sources: nm -D of glibc 2.36; sysdeps/ABI lists of glibc 2.17-2.41.
 */
#ifndef PYMEM_AGENT_BASE_LIBC_H
#define PYMEM_AGENT_BASE_LIBC_H

#include <dlfcn.h>
#include <pthread.h>

#include "agent/base/cpu.h"

#ifdef __GLIBC__
#define LIBC_OLD(name) __asm__(".symver " #name "," #name "@" CPU_LIBC_VERSION)
LIBC_OLD(dladdr);
LIBC_OLD(dlclose);
LIBC_OLD(dlopen);
LIBC_OLD(dlsym);
LIBC_OLD(pthread_attr_setstack);
LIBC_OLD(pthread_create);
LIBC_OLD(pthread_getcpuclockid);
LIBC_OLD(pthread_getspecific);
LIBC_OLD(pthread_key_create);
LIBC_OLD(pthread_key_delete);
LIBC_OLD(pthread_mutex_trylock);
LIBC_OLD(pthread_setspecific);
#endif

#endif
