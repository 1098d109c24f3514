# SPDX-License-Identifier: MIT
"""What the benchmarks share: a bare fork, and a heartbeat that feels pauses."""
import os
import subprocess

BARE = r'''
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
/* Under the GIL (ctypes.PyDLL): the clone alone, its child gone at once. */
void bare_fork(void)
{
	const long pid = syscall(SYS_clone, 0, 0, 0, 0, 0);

	if (pid == 0)
		syscall(SYS_exit_group, 0);
	waitpid((pid_t)pid, NULL, __WCLONE);
}
'''

# In a target: fork() makes a bare fork; longest() tells the longest gap, in seconds, of a
# thread that ticks every millisecond since it was last asked.
HEARTBEAT = r'''
import ctypes, os, threading, time
bare = ctypes.PyDLL(os.environ["PYMEM_TEST_BARE"])
ticks, beating = [0.0], True
def beat():
    last = time.monotonic()
    while beating:
        time.sleep(0.001)
        now = time.monotonic()
        if now - last > ticks[0]: ticks[0] = now - last
        last = now
def longest():
    gap, ticks[0] = ticks[0], 0.0
    return gap
def fork():
    bare.bare_fork()
threading.Thread(target=beat, daemon=True).start()
'''


def bare_environment(folder):
    """The environment of a target that uses HEARTBEAT; builds its library in folder."""
    source, library = os.path.join(folder, "bare.c"), os.path.join(folder, "bare.so")
    with open(source, "w") as f:
        f.write(BARE)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return dict(os.environ, PYMEM_TEST_BARE=library)


def gap_of(target, act):
    """Longest gap, in ms, while act() ran and a moment before and after; its result."""
    target.ask("longest()")
    target.tell("time.sleep(0.02)")
    result = act()
    target.tell("time.sleep(0.02)")
    return target.ask("longest()") * 1000, result
