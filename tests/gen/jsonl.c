/* SPDX-License-Identifier: MIT */
/* pymem-jsonl FILE - the JSON export on standard output, without the viewer. */
#include <stdio.h>

#include "formats/export/exporter.h"

int main(int argc, char **argv)
{
	struct snap_problem problem = { 0 };
	uint32_t incomplete = 0;
	int result;

	if (argc != 2) {
		fprintf(stderr, "usage: pymem-jsonl FILE\n");
		return 2;
	}
	result = exporter_jsonl.run(argv[1], stdout, &incomplete, &problem);
	if (result != 0)
		fprintf(stderr, "pymem-jsonl: %s\n", problem.text);
	return result != 0;
}
