/* SPDX-License-Identifier: MIT */
/*
 * ending - a signal that ends the viewer leaves nothing behind: no temporary file, no
 * clerk (who would become the child of a container's first process), and one sentence.
 */
#ifndef PYMEM_VIEWER_FILES_ENDING_H
#define PYMEM_VIEWER_FILES_ENDING_H

/*
 * Installs handlers of SIGINT, SIGTERM, SIGHUP, SIGPIPE and SIGXFSZ where nothing heeds
 * these; afterwards the signal does what it does.  For this process, not for what it
 * forks.  Once, before there are threads.
 */
void ending_watch(void);

#endif
