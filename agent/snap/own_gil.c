/* SPDX-License-Identifier: MIT */
/* own_gil - see own_gil.h. */
#include "agent/snap/own_gil.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>

#include "agent/python/cpython.h"
#include "agent/python/debug_offsets.h"
#include "agent/base/invariant.h"
#include "agent/base/peek.h"
#include "agent/base/libc.h"
#include "agent/base/libc_mutex.h"
#include "agent/base/sys.h"

enum {
	POLL_US = 50,
	HEAD_TRIES = 200,   /* for the lock of the list: at most some milliseconds */
	INTERPS_MAX = 4096, /* more is a damaged list */
	TSTATE_INTERP = 16, /* struct _ts: prev, next, interp, eval_breaker (3.13+) */
	TSTATE_BREAKER = 24,
	DROP_REQUEST = 1,	 /* _PY_GIL_DROP_REQUEST_BIT of eval_breaker */
	CEVAL_BREAKER_312 = -16, /* from ceval.gil, in 3.12: int eval_breaker, ... */
	CEVAL_REQUEST_312 = -12, /* ... int gil_drop_request */
	RELEASE_TRIES = 20000,	 /* for the same lock in the end: about a second */
	TAKEN_MAX = 1024,	 /* interpreters; what is more is not held still */
};

/*
 * struct _gil_runtime_state of a build with GILs, as far as libc has no say in it.  Then
 * follow: condition (the GIL is free), mutex, condition (somebody else has it now), mutex
 * of that.  A condition has 48 bytes in glibc and musl.
 */
struct gil {
	unsigned long interval; /* microseconds */
	uint64_t last_holder;	/* PyThreadState */
	int locked;		/* 1; 0 = free; -1 = not made yet */
	unsigned long switch_number;
	char cond[48];
};
enum { GIL_BYTES_MAX = sizeof(struct gil) + 48 + 2 * sizeof(pthread_mutex_t) };

static pthread_cond_t *own_gil_cond(struct gil *gil)
{
	return (pthread_cond_t *)(void *)gil->cond;
}

static pthread_mutex_t *own_gil_mutex(struct gil *gil)
{
	return (pthread_mutex_t *)(void *)(gil + 1);
}

static pthread_cond_t *own_gil_switch_cond(struct gil *gil)
{
	return (pthread_cond_t *)(void *)((char *)(gil + 1) + libc_mutex_size());
}

static pthread_mutex_t *own_gil_switch_mutex(struct gil *gil)
{
	return (pthread_mutex_t *)(void *)((char *)own_gil_switch_cond(gil) + 48);
}

/* Where things are; all 0 = not known. */
struct places {
	uint64_t head;	  /* address of the list's head; before it, its lock */
	uint64_t pointer; /* ceval.gil, from an interpreter's address */
	uint64_t own;	  /* _gil, likewise */
};

/* Stands for a PyThreadState: who wants a GIL of ours sets a bit in our eval_breaker. */
static uint64_t holder[512];

static uint64_t own_gil_holder_address(void)
{
	return (uint64_t)(uintptr_t)holder;
}

static uint64_t own_gil_call_address(void *symbol)
{
	uint64_t (*fn)(void) = (uint64_t(*)(void))symbol;

	return fn ? fn() : 0;
}

static uint64_t own_gil_next_interp(const struct cpython *py, uint64_t interp)
{
	uint64_t (*next)(uint64_t) = (uint64_t(*)(uint64_t))py->sym.interp_next;

	return next(interp);
}

static uint64_t own_gil_current_tstate(const struct cpython *py)
{
	return own_gil_call_address(py->sym.tstate_unchecked ?
					    py->sym.tstate_unchecked :
					    py->sym.tstate_unchecked_new);
}

/* Are mutexes where we think, and the rest what it can be? */
static bool own_gil_is_sound(uint64_t at)
{
	union {
		struct gil gil;
		char bytes[GIL_BYTES_MAX];
	} copy;
	struct gil *const gil = &copy.gil;

	return at && at % 8 == 0 && peek_safe(at, &copy, sizeof(copy)) && gil->interval &&
		gil->interval < 100000000 && (gil->locked == 0 || gil->locked == 1) &&
		libc_mutex_ordinary(own_gil_mutex(gil)) &&
		libc_mutex_ordinary(own_gil_switch_mutex(gil));
}

static bool own_gil_find_places(const struct cpython *py, struct places *ret)
{
	const uint64_t runtime = CPYTHON_ADDR(py, runtime);
	const uint64_t main = own_gil_call_address(py->sym.interp_main);
	struct debug_offsets offsets;
	uint64_t gil, word;

	if (cpython_gils(py) <= CPYTHON_GIL_ONE || !runtime || !main ||
	    !debug_offsets_gil(py, main, offsetof(struct gil, locked),
			       offsetof(struct gil, last_holder), &offsets))
		return false;
	*ret = (struct places){ .head = runtime + offsets.interpreters_head,
				.pointer = offsets.gil_pointer,
				.own = offsets.gil_own };
	return peek_safe64(ret->head + 8, &word) && word == main &&
		peek_safe64(main + ret->pointer, &gil) && gil == main + ret->own &&
		own_gil_is_sound(gil);
}

/* The GIL that the calling thread holds, if everything there is as it must be. */
static uint64_t own_gil_prove(const struct cpython *py, const struct places *places)
{
	const uint64_t tstate = own_gil_current_tstate(py);
	uint64_t interp, gil;
	const struct gil *g;

	if (!tstate || !peek_safe64(tstate + TSTATE_INTERP, &interp) ||
	    !peek_safe64(interp + places->pointer, &gil) || !own_gil_is_sound(gil))
		return 0;
	g = (const struct gil *)(uintptr_t)gil;
	return g->locked == 1 && g->last_holder == tstate ? gil : 0;
}

uint64_t own_gil_holder(const struct cpython *py)
{
	struct places places;
	struct gil gil;

	if (cpython_gils(py) == CPYTHON_GIL_NONE)
		return 0;
	if (cpython_gils(py) == CPYTHON_GIL_ONE)
		return py->sym.tstate_unchecked ? own_gil_current_tstate(py) :
						  OWN_GIL_UNKNOWN;
	if (!own_gil_find_places(py, &places) ||
	    !peek_safe(own_gil_call_address(py->sym.interp_main) + places.own, &gil,
		       sizeof(gil)))
		return OWN_GIL_UNKNOWN;
	return gil.locked == 1 ? gil.last_holder : 0;
}

/* ---- the lock of the list of interpreters ---- */

/* 3.12: a PyThread_type_lock; later a PyMutex, one byte: bit 0 locked, 1 has waiters. */
static bool own_gil_head_try(const struct cpython *py, uint64_t head)
{
	int (*acquire)(void *, long long, int) =
		(int (*)(void *, long long, int))py->sym.lock_acquire;
	uint8_t *byte = (uint8_t *)(uintptr_t)(head - 8), old;

	if (cpython_gils(py) == CPYTHON_GIL_LOCK)
		return acquire(*(void **)(uintptr_t)(head - 8), 0, 0) == 1;
	old = __atomic_load_n(byte, __ATOMIC_RELAXED);
	return !(old & 1) &&
		__atomic_compare_exchange_n(byte, &old, old | 1, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED);
}

void own_gil_head_unlock(const struct cpython *py, uint64_t head)
{
	void (*release)(void *) = (void (*)(void *))py->sym.lock_release;
	void (*unlock)(void *) = (void (*)(void *))py->sym.mutex_unlock;
	uint8_t *byte = (uint8_t *)(uintptr_t)(head - 8), one = 1;

	if (cpython_gils(py) == CPYTHON_GIL_LOCK)
		release(*(void **)(uintptr_t)(head - 8));
	else if (!__atomic_compare_exchange_n(byte, &one, 0, false, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED))
		unlock(byte); /* wakes a waiter */
}

static void own_gil_pause(unsigned us)
{
	const struct timespec t = { .tv_nsec = us * 1000 };

	sys4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
}

bool own_gil_head_lock(const struct cpython *py, uint64_t head, int tries)
{
	for (int i = 0; i < tries; i++) {
		if (own_gil_head_try(py, head))
			return true;
		own_gil_pause(i < 20 ? 1 : POLL_US);
	}
	return false;
}

static bool own_gil_head_known(const struct cpython *py)
{
	return cpython_gils(py) == CPYTHON_GIL_MUTEX ?
		py->sym.mutex_unlock != NULL :
		py->sym.lock_acquire && py->sym.lock_release;
}

/* ---- one GIL ---- */

/* Asks the holder to drop it at its next chance, or takes that back. */
static void own_gil_request(const struct cpython *py, const struct places *places,
			    uint64_t interp, struct gil *gil, bool wanted)
{
	const uint64_t tstate = __atomic_load_n(&gil->last_holder, __ATOMIC_RELAXED);
	uint64_t *breaker = (uint64_t *)(uintptr_t)(tstate + TSTATE_BREAKER);
	const uint64_t at = interp + places->pointer;

	if (cpython_gils(py) != CPYTHON_GIL_MUTEX) {
		__atomic_store_n((int *)(uintptr_t)(at + CEVAL_REQUEST_312), wanted,
				 __ATOMIC_RELAXED);
		if (wanted)
			__atomic_store_n((int *)(uintptr_t)(at + CEVAL_BREAKER_312), 1,
					 __ATOMIC_RELAXED);
	} else if (tstate && wanted) {
		__atomic_fetch_or(breaker, DROP_REQUEST, __ATOMIC_RELAXED);
	} else if (tstate) {
		__atomic_fetch_and(breaker, ~(uint64_t)DROP_REQUEST, __ATOMIC_RELAXED);
	}
}

/* As at the end of take_gil; both mutexes are held. */
static void own_gil_become_holder(struct gil *gil, uint64_t tstate, int locked)
{
	__atomic_store_n(&gil->locked, locked, __ATOMIC_RELAXED);
	__atomic_store_n(&gil->last_holder, tstate, __ATOMIC_RELAXED);
	gil->switch_number++;
	pthread_cond_signal(own_gil_switch_cond(gil));
}

static bool own_gil_is_ours(const struct gil *gil)
{
	return __atomic_load_n(&gil->locked, __ATOMIC_RELAXED) == 1 &&
		__atomic_load_n(&gil->last_holder, __ATOMIC_RELAXED) ==
		own_gil_holder_address();
}

typedef bool own_gil_visit(const struct cpython *py, const struct places *places,
			   uint64_t interp, struct gil *gil);

static bool own_gil_take_if_free(const struct cpython *py, const struct places *places,
				 uint64_t interp, struct gil *gil)
{
	(void)py, (void)places, (void)interp;
	if (own_gil_is_ours(gil))
		return true;
	if (pthread_mutex_trylock(own_gil_mutex(gil)))
		return false;
	if (!__atomic_load_n(&gil->locked, __ATOMIC_RELAXED) &&
	    !pthread_mutex_trylock(own_gil_switch_mutex(gil))) {
		own_gil_become_holder(gil, own_gil_holder_address(), 1);
		pthread_mutex_unlock(own_gil_switch_mutex(gil));
	}
	pthread_mutex_unlock(own_gil_mutex(gil));
	return own_gil_is_ours(gil);
}

static bool own_gil_take_or_ask(const struct cpython *py, const struct places *places,
				uint64_t interp, struct gil *gil)
{
	if (own_gil_take_if_free(py, places, interp, gil))
		return true;
	if (pthread_mutex_trylock(own_gil_mutex(gil)))
		return false;
	/* while the mutex is ours a holder can't leave, so its state is not freed */
	if (__atomic_load_n(&gil->locked, __ATOMIC_RELAXED) == 1)
		own_gil_request(py, places, interp, gil, true);
	pthread_mutex_unlock(own_gil_mutex(gil));
	return false;
}

/*
 * As drop_gil; or, of a GIL that isn't ours, takes our request back.  Waits for the
 * mutexes as drop_gil does: threads hold them for some instructions, and nobody who
 * holds them waits for anything.
 */
static bool own_gil_let_go(const struct cpython *py, const struct places *places,
			   uint64_t interp, struct gil *gil)
{
	pthread_mutex_lock(own_gil_mutex(gil));
	pthread_mutex_lock(own_gil_switch_mutex(gil));
	if (own_gil_is_ours(gil)) {
		own_gil_become_holder(gil, 0, 0);
		pthread_cond_signal(own_gil_cond(gil));
	} else {
		if (__atomic_load_n(&gil->locked, __ATOMIC_RELAXED) == 1)
			own_gil_request(py, places, interp, gil, false);
		pthread_cond_signal(own_gil_switch_cond(gil));
	}
	pthread_mutex_unlock(own_gil_switch_mutex(gil));
	pthread_mutex_unlock(own_gil_mutex(gil));
	return true;
}

/* ---- all of them ---- */

static struct { /* between take and release; one thread at a time */
	struct places places;
	uint64_t mine;
	unsigned count;
	struct { /* a GIL taken, or asked for */
		uint64_t interp, gil;
	} touched[TAKEN_MAX];
} taken;

/* False where there is no room to remember that it was touched. */
static bool own_gil_remember(uint64_t interp, uint64_t gil)
{
	for (unsigned i = 0; i < taken.count; i++) {
		if (taken.touched[i].gil == gil)
			return true;
	}
	if (taken.count == TAKEN_MAX)
		return false;
	taken.touched[taken.count].interp = interp;
	taken.touched[taken.count++].gil = gil;
	return true;
}

/*
 * visit(each GIL but ours); how many interpreters it was false for.  The lock of the
 * list is held.
 */
static unsigned own_gil_for_each(const struct cpython *py, own_gil_visit *visit)
{
	const struct places *const places = &taken.places;
	const uint64_t main = own_gil_call_address(py->sym.interp_main);
	unsigned missing = 0, seen = 0;
	uint64_t gil;

	for (uint64_t i = own_gil_call_address(py->sym.interp_head);
	     i && seen < INTERPS_MAX; i = own_gil_next_interp(py, i), seen++) {
		if (!peek_safe64(i + places->pointer, &gil) || !gil || gil == taken.mine)
			continue; /* 0: being made, by a thread of another one */
		if ((gil != i + places->own && gil != main + places->own) ||
		    !own_gil_is_sound(gil) || !own_gil_remember(i, gil) ||
		    !visit(py, places, i, (struct gil *)(uintptr_t)gil))
			missing++;
	}
	return missing;
}

/* The same under the lock; UINT32_MAX when that was not to be had. */
static unsigned own_gil_try_each(const struct cpython *py, own_gil_visit *visit)
{
	unsigned missing;

	if (!own_gil_head_lock(py, taken.places.head, HEAD_TRIES))
		return UINT32_MAX;
	missing = own_gil_for_each(py, visit);
	own_gil_head_unlock(py, taken.places.head);
	return missing;
}

unsigned own_gil_take(const struct cpython *py, uint64_t limit_ns)
{
	const uint64_t began = sys_now_ns();
	unsigned missing;

	INVARIANT(!taken.count); /* own_gil_release came in between */
	taken.mine = 0;
	taken.count = 0;
	if (cpython_gils(py) <= CPYTHON_GIL_ONE ||
	    own_gil_call_address(py->sym.interp_head) ==
		    own_gil_call_address(py->sym.interp_main))
		return 0; /* the newest is the oldest */
	if (!own_gil_head_known(py) || !own_gil_find_places(py, &taken.places))
		return 1;
	taken.mine = own_gil_prove(py, &taken.places);
	if (!taken.mine)
		return 1;
	memset(holder, 0, sizeof(holder));
	missing = own_gil_try_each(py, own_gil_take_if_free);
	while (missing && sys_now_ns() - began < limit_ns) {
		missing = own_gil_try_each(py, own_gil_take_or_ask);
		if (missing)
			own_gil_pause(POLL_US);
	}
	return missing;
}

/* Without the list: what was touched, where it still is what it was. */
static void own_gil_let_go_touched(const struct cpython *py)
{
	for (unsigned i = 0; i < taken.count; i++) {
		const uint64_t interp = taken.touched[i].interp;
		const uint64_t gil = taken.touched[i].gil;
		uint64_t now;

		if (peek_safe64(interp + taken.places.pointer, &now) && now == gil &&
		    own_gil_is_sound(gil))
			own_gil_let_go(py, &taken.places, interp,
				       (struct gil *)(uintptr_t)gil);
	}
}

/*
 * What was touched is given back whatever happens, or its threads would wait for ever.
 * Under the lock of the list if that can be had: an interpreter that is on the list then
 * is not freed meanwhile.  A lock that is not let go for a second belongs to a thread
 * that somebody holds still (a debugger), and then nobody else ends interpreters either.
 */
void own_gil_release(const struct cpython *py)
{
	if (!taken.mine || !taken.count)
		return;
	if (own_gil_head_lock(py, taken.places.head, RELEASE_TRIES)) {
		own_gil_for_each(py, own_gil_let_go);
		own_gil_head_unlock(py, taken.places.head);
	} else {
		own_gil_let_go_touched(py);
	}
	taken.count = 0;
}

unsigned own_gil_running(const struct cpython *py)
{
	struct places places;
	const bool known = own_gil_find_places(py, &places);
	const uint64_t tstate = own_gil_current_tstate(py);
	uint64_t interp, gil, mine = 0;
	unsigned running = 0, seen = 0;

	if (cpython_gils(py) <= CPYTHON_GIL_ONE)
		return 0;
	if (tstate && peek_safe64(tstate + TSTATE_INTERP, &interp))
		mine = interp;
	for (uint64_t i = own_gil_call_address(py->sym.interp_head);
	     i && seen < INTERPS_MAX; i = own_gil_next_interp(py, i), seen++) {
		const struct gil *g;

		if (i == mine)
			continue;
		if (!known) {
			running++;
			continue;
		}
		if (!peek_safe64(i + places.pointer, &gil) || !gil)
			continue;
		g = (const struct gil *)(uintptr_t)gil;
		if (!own_gil_is_sound(gil) ||
		    (g->locked == 1 && !own_gil_is_ours(g) &&
		     (!tstate || g->last_holder != tstate)))
			running++;
	}
	return running;
}
