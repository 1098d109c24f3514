# SPDX-License-Identifier: MIT
"""What the tests of the injection share: the driver (loader/inject alone, with
an agent that works in any process) and the C targets."""
import json
import os
import select
import subprocess

from harness import BUILD, SLOW, wait_for

TARGETS = os.path.join(BUILD, "tests", "targets")
DRIVER = os.path.join(TARGETS, "inject_driver")
MINI = os.path.join(TARGETS, "mini_agent.so")
STREAM = 16 * 4096      # bytes that mini_agent sends


def state_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]


def cpu_seconds(pid):
    """What a process has used of the CPU."""
    with open("/proc/%d/stat" % pid) as f:
        ticks = f.read().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def wait_for_program(pid, name):
    """Until a process that was just forked runs the program."""
    def runs():
        return os.path.basename(os.readlink("/proc/%d/exe" % pid)) == name
    wait_for(runs, what="the program " + name)


def drive(pid, *options, agent=MINI, timeout=600, fault=None, prefix=()):
    """Runs the driver; (exit status, one dict a round, what it logged)."""
    env = dict(os.environ)
    env.pop("PYMEM_FAULT", None)
    if fault:
        env["PYMEM_FAULT"] = fault
    p = subprocess.run(list(prefix) + [DRIVER] + [str(o) for o in options] + [agent, str(pid)],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       stdin=subprocess.DEVNULL, timeout=timeout * SLOW, env=env)
    rounds = [json.loads(line) for line in p.stdout.decode("utf-8", "replace").splitlines()]
    return p.returncode, rounds, p.stderr.decode("utf-8", "replace")


def good(result):
    return (result["injected"] and result["hello"] and result["done"] and
            result["ejected"] and result["bytes"] == STREAM)


def has_faults():
    """Was the driver built with PYMEM_FAULTS?"""
    with subprocess.Popen(["sleep", "30"]) as p:
        wait_for_program(p.pid, "sleep")
        status, _, _ = drive(p.pid, "-a", fault="kill:1")
        p.kill()
    return status == -9


class Program:
    """A C target: torture MODE..., torture_waits NAME."""

    def __init__(self, *argv, env=None, prefix=()):
        command = list(prefix) + [os.path.join(TARGETS, argv[0])] + [str(a) for a in argv[1:]]
        self.proc = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     env=env)
        self.pid = self.proc.pid
        line = self.proc.stdout.readline()
        if line != b"ready\n":
            raise RuntimeError("%s said %r" % (command, line))

    @property
    def alive(self):
        return self.proc.poll() is None

    def finish(self, timeout=600):
        """Ends it; its last words."""
        self.proc.stdin.close()
        timeout *= SLOW
        ready, _, _ = select.select([self.proc.stdout], [], [], timeout)
        words = self.proc.stdout.read().decode() if ready else "no answer"
        if ready:
            self.proc.wait(timeout)
        return words.strip()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        if not self.proc.stdin.closed:
            self.proc.stdin.close()
        self.proc.stdout.close()
