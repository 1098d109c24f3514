/* SPDX-License-Identifier: MIT */
/*
 * sandbox - the system calls that a process which reads untrusted bytes may still make.
 *
 * Three lists of what is allowed (seccomp(2), made by libseccomp, which knows each
 * processor's numbers); all else fails with EPERM, and calls of another ABI kill:
 *
 *	KEEPER	reads a stream and writes a file: descriptors that it has, memory
 *		that is not executable; opens, starts and reaches nothing;
 *	READER	as the keeper, and is handed descriptors over a socket that it has;
 *	VIEWER	models, analyses, draws on the terminal, has children draw: files by its
 *		user's rights, Unix sockets; no program is started, no process looked
 *		into, nothing typed into the terminal.
 *
 * Children and threads inherit it.  Reasoned, not traced: a call that a library tries
 * and can do without is not in it.
 */
#ifndef PYMEM_FORMATS_RIGHTS_SANDBOX_H
#define PYMEM_FORMATS_RIGHTS_SANDBOX_H

enum sandbox { SANDBOX_KEEPER, SANDBOX_READER, SANDBOX_VIEWER };

/*
 * From now on, for good; sets no_new_privs.  0, or a negative errno: the kernel has no
 * filters (or refuses them), and nothing has changed.
 */
int sandbox_enter(enum sandbox sandbox);

#endif
