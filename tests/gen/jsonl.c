/* SPDX-License-Identifier: MIT */
/* pymem-jsonl FILE - the JSON export on standard output, without the viewer; with -c the
 * .heapsnapshot of its first process. */
#include <stdio.h>
#include <string.h>

#include "formats/export/exporter.h"

int main(int argc, char **argv)
{
	struct snap_problem problem = { 0 };
	const int chrome = argc == 3 && strcmp(argv[1], "-c") == 0;
	uint32_t processes = 0;
	int result;

	if (argc != 2 + chrome) {
		fprintf(stderr, "usage: pymem-jsonl [-c] FILE\n");
		return 2;
	}
	result = (chrome ? &exporter_heapsnapshot : &exporter_jsonl)
			 ->run(argv[argc - 1], 0, stdout, &processes, &problem);
	if (result != 0)
		fprintf(stderr, "pymem-jsonl: %s\n", problem.text);
	return result != 0;
}
