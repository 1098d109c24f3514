/* SPDX-License-Identifier: MIT */
/* pymem-jsonl FILE - the JSON export on standard output, without the viewer. */
#include <stdio.h>

#include "formats/export_jsonl.h"

int main(int argc, char **argv)
{
	struct snap_problem problem = { 0 };

	if (argc != 2) {
		fprintf(stderr, "usage: pymem-jsonl FILE\n");
		return 2;
	}
	if (snap_export_jsonl(argv[1], stdout, &problem) != 0) {
		fprintf(stderr, "pymem-jsonl: %s\n", problem.text);
		return 1;
	}
	return 0;
}
