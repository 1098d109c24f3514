/* SPDX-License-Identifier: MIT */
/* allowance - see allowance.h. */
#include "agent/trigger/allowance.h"

#include "agent/base/sys.h"
#include "agent/trigger/notice.h"

static struct {
	uint64_t quiet_until[ALLOWANCE_CAUSES];
	uint32_t taken;
	bool said;
} allowance;

/* The cool-down of a cause begins, unless it lasts. */
static bool allowance_cooled(const struct trigger_config *config,
			     enum allowance_cause cause)
{
	const uint64_t now = sys_now_ns();
	uint64_t until = __atomic_load_n(&allowance.quiet_until[cause], __ATOMIC_RELAXED);

	if (cause == ALLOWANCE_ASKED)
		return true;
	return now >= until &&
		__atomic_compare_exchange_n(&allowance.quiet_until[cause], &until,
					    now + config->cooldown_ns, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool allowance_take(const struct trigger_config *config, enum allowance_cause cause)
{
	if (config->snapshots &&
	    __atomic_load_n(&allowance.taken, __ATOMIC_RELAXED) >= config->snapshots) {
		if (!__atomic_exchange_n(&allowance.said, true, __ATOMIC_RELAXED))
			notice_say("as many snapshots as PYMEM_SNAPSHOTS allows were "
				   "taken, no more will be",
				   NULL);
		return false;
	}
	if (!allowance_cooled(config, cause))
		return false;
	__atomic_fetch_add(&allowance.taken, 1, __ATOMIC_RELAXED);
	return true;
}

void allowance_forget(void)
{
	for (unsigned i = 0; i < ALLOWANCE_CAUSES; i++)
		allowance.quiet_until[i] = 0;
	allowance.taken = 0;
	allowance.said = false;
}
