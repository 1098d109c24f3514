/* SPDX-License-Identifier: MIT */
/* account_text - the process's account in one line; for the overview and screens. */
#ifndef PYMEM_VIEWER_REPORT_ACCOUNT_TEXT_H
#define PYMEM_VIEWER_REPORT_ACCOUNT_TEXT_H

#include "viewer/analysis/account.h"
#include "viewer/text/text.h"

/* "452 MiB resident: 403 MiB libxml2 tree of 200 _Document, 38 MiB Python objects, 11 MiB
 * other": all in one unit, adding up as printed. Nothing when the account is empty. */
void account_text(struct text *out, const struct heap *heap,
		  const struct account *account);

#endif
