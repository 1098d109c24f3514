/* SPDX-License-Identifier: MIT */
/*
 * fuzz_filter - any bytes as a seccomp program of the target's: both machines end, and
 * the one that looks for the worst finds nothing milder than what a call meets.
 */
#include <linux/audit.h>

#include "fuzz.h"
#include "loader/cpu/cpu.h"
#include "loader/target/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sock_filter code[FILTER_MAX];
	struct fuzz_input in = { data, size };
	struct seccomp_data call = { .nr = (int)fuzz_take(&in, 2) % 512,
				     .arch = cpu_audit_arch };

	call.instruction_pointer = fuzz_take(&in, 8);
	for (int i = 0; i < 6; i++)
		call.args[i] = fuzz_take(&in, 8);
	size_t count = in.left / sizeof(*code);
	if (count > FILTER_MAX)
		count = FILTER_MAX;
	memcpy(code, in.data, count * sizeof(*code));
	const uint32_t nr = (uint32_t)call.nr;
	const enum filter_effect met = filter_effect(filter_run(code, count, &call));
	fuzz_expect(met <= FILTER_ENDS);
	fuzz_expect(filter_worst(code, count, nr, nr) >= met);
	if (filter_refuses(code, count, nr))
		fuzz_expect(met >= FILTER_REFUSES);
	return 0;
}
