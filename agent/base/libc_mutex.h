/* SPDX-License-Identifier: MIT */
/*
 * libc_mutex - what a pthread_mutex_t is in the C library that runs here.
 *
 * The agent is compiled with glibc's headers and also loads into processes with musl,
 * whose mutex has another size on some CPUs and its kind in another word.  Locking and
 * unlocking go through libc's functions and need none of this; it is for structs of the
 * interpreter that have a mutex inside.
 *
 * Sources: sysdeps/nptl/bits/struct_mutex.h (glibc 2.17-2.41: __kind, an int at 16 on
 * 64-bit CPUs; 0 = PTHREAD_MUTEX_TIMED_NP); musl src/internal/pthread_impl.h (_m_type =
 * __u.__i[0], 40 bytes on every 64-bit CPU; the low four bits: 0 =
 * PTHREAD_MUTEX_NORMAL).
 */
#ifndef PYMEM_AGENT_BASE_LIBC_MUTEX_H
#define PYMEM_AGENT_BASE_LIBC_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
	LIBC_MUTEX_MUSL = 40,	    /* bytes */
	LIBC_MUTEX_GLIBC_KIND = 16, /* offset */
};

/* glibc's word on its version; musl has no such function. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));

static inline bool libc_is_glibc(void)
{
	return gnu_get_libc_version != NULL;
}

/* Bytes of a pthread_mutex_t in the running C library. */
static inline size_t libc_mutex_size_of(bool glibc)
{
	return glibc ? sizeof(pthread_mutex_t) : LIBC_MUTEX_MUSL;
}

static inline size_t libc_mutex_size(void)
{
	return libc_mutex_size_of(libc_is_glibc());
}

/* Is what lies there a mutex as PyThread makes them: of the default kind?  It may be
 * locked.  Reads the words of a copy; false is certain, true likely. */
static inline bool libc_mutex_ordinary_in(const void *mutex, bool glibc)
{
	int kind;

	memcpy(&kind, (const char *)mutex + (glibc ? LIBC_MUTEX_GLIBC_KIND : 0),
	       sizeof(kind));
	return !(kind & (glibc ? 0xff : 0xf));
}

static inline bool libc_mutex_ordinary(const void *mutex)
{
	return libc_mutex_ordinary_in(mutex, libc_is_glibc());
}

#endif
