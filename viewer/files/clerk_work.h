/* SPDX-License-Identifier: MIT */
/*
 * clerk_work - the clerk's own side (clerk.h): what it is asked, and whether it may.
 *
 * A path that is no order's is refused; one that is, is followed with the rights of
 * root, as if root had opened it itself.  Only a sidecar goes where nobody named: beside
 * a snapshot whose owner is the viewer's user, which is looked at in the folder that the
 * sidecar is then made in, so that no link of a stranger's leads it elsewhere.
 */
#ifndef PYMEM_VIEWER_FILES_CLERK_WORK_H
#define PYMEM_VIEWER_FILES_CLERK_WORK_H

#include "viewer/files/clerk.h"

/* In the clerk: serves until the channel ends. */
_Noreturn void clerk_work(const struct clerk_orders *orders, int channel);

#endif
