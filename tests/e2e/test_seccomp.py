# ctest: labels=e2e;ptrace timeout=1500 cost=75
# SPDX-License-Identifier: MIT
"""Targets under seccomp filters: whatever a filter does with whatever call, the
target lives on, and is captured or refused in a sentence that names the filter.

Every call that the agent notes, and a sample of the others, is forbidden here, one at
a time, by a filter that kills, some by one that refuses; by both with PYMEM_LONG=1, all of
0-450 with PYMEM_TORTURE=1."""
import struct

from harness import *

LAUNCH = os.path.join(BUILD, "tests", "targets", "seccomp_launch")
FILTERS = os.path.join(HERE, "filters")
ROOT_USER = os.geteuid() == 0
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NAMED = "seccomp filter of process [0-9]+ "
CLOCK_NANOSLEEP, FUTEX, RT_SIGRETURN, EXIT_GROUP = 230, 202, 15, 231

# install(nr, action[, flags]): a filter for this thread; wait kinds: sleep, lock, busy
PROGRAM = r'''
import ctypes, signal, struct, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
def ins(code, jt, jf, k):
    return struct.pack("HBBI", code, jt, jf, k)
def install(number, action, flags=0):
    program = [ins(0x20, 0, 0, 0), ins(0x15, 0, 1, number), ins(6, 0, 0, action),
               ins(6, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b"".join(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)))
    assert libc.syscall(317, 1, flags, head) >= 0
def wait(kind):
    if kind == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    while kind == "busy":
        pass
    while True:
        time.sleep(1000)
KILL, EPERM, NOTIFY, TSYNC, NEW_LISTENER = 0x80000000, 0x50001, 0x7fc00000, 1, 8
print("ready", flush=True)
'''


def noted_calls():
    """Section pymem_calls of the agent: numbers of the calls that it may make."""
    with open(AGENT, "rb") as f:
        data = f.read()
    offset, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3a)
    heads = [struct.unpack_from("<IIQQQQ", data, offset + i * size) for i in range(count)]
    for name, _, _, _, at, length in heads:
        start = heads[names][4] + name
        if data[start:start + 12] == b"pymem_calls\0":
            return sorted(set(struct.unpack_from("<%dI" % (length // 4), data, at)))
    raise AssertionError("the agent notes no calls")


def threads_confined(pid, count=1):
    """Have that many threads of it a filter?"""
    found = 0
    for tid in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, tid)) as f:
            found += "\nSeccomp:\t2\n" in f.read()
    return found >= count


class Confined:
    """A Python program under filters, its own or a launcher's."""

    def __init__(self, code, *filters, python="/usr/bin/python3", prefix=(), threads=1):
        launch = [LAUNCH] + list(filters) + ["--"] if filters else []
        self.proc = subprocess.Popen(list(prefix) + launch + [python, "-S", "-c", PROGRAM + code],
                                     stdout=subprocess.PIPE)
        self.pid = self.proc.pid
        if self.proc.stdout.readline() != b"ready\n":
            raise AssertionError("it didn't start: %d" % self.proc.wait())
        wait_for(lambda: threads_confined(self.pid, threads), 60, "the filter")

    def end(self):
        """Its exit status: -SIGTERM if nothing else ended it before."""
        self.proc.terminate()
        return self.proc.wait(30)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()


@unittest.skipUnless(os.uname().machine == "x86_64", "system call numbers of x86-64")
@unittest.skipUnless(os.path.exists("/usr/bin/python3"), "the distribution's Python is used")
class SeccompCase(Case):
    def capture(self, target, *options, prefix=()):
        """(snapshot of the result, what was said); the target must have lived on."""
        path = self.path("s.pymem")
        if prefix:
            os.chmod(self.tmp, 0o777)
        p = subprocess.run(list(prefix) + [LOAD, "-q", "--json", "-f", path, *options,
                                           str(target.pid)],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           stdin=subprocess.DEVNULL, timeout=240)
        if os.path.exists(path):
            os.unlink(path)
        self.assertEqual(target.end(), -signal.SIGTERM, p.stderr)
        result = json.loads(p.stdout)["snapshots"][0] if p.stdout else {}
        return result, p.stderr.decode("utf-8", "replace")

    def captured(self, target, method, *options, prefix=()):
        if method == "external":        # without its filter: by the user's word only
            options = ("--method=external", *options)
        result, said = self.capture(target, *options, prefix=prefix)
        self.assertEqual((result.get("status"), result.get("method")), ("complete", method),
                         (result, said))

    def refused(self, target, words, *options, prefix=()):
        result, said = self.capture(target, *options, prefix=prefix)
        self.assertNotEqual(result.get("status"), "complete")
        self.assertRegex(said, words)


def one_call(nr, action, kind):
    return "install(%d, %s)\nwait(%r)\n" % (nr, action, kind)


@unittest.skipUnless(ROOT_USER, "reading a filter needs CAP_SYS_ADMIN")
class EveryCall(SeccompCase):
    """One call forbidden at a time."""

    def numbers(self):
        return range(451) if TORTURE else sorted(set(noted_calls()) | set(range(0, 451, 30)) |
                                                 {219, 310, 46, 228, 271, 38, 107, 204, 267})

    def kind(self, nr):
        """What the target is at while it is captured: not what the filter ends it for."""
        if nr in (CLOCK_NANOSLEEP, FUTEX):
            return "busy"
        return ("sleep", "lock", "busy")[nr % 3 if TORTURE else nr % 2]

    def sweep(self, action, numbers):
        for nr in numbers:
            with self.subTest(call=nr), Confined(one_call(nr, action, self.kind(nr))) as t:
                result, said = self.capture(t, *(["--method=external"] if action == "KILL"
                                                 else []))
                if result.get("status") != "complete":
                    self.assertRegex(said, NAMED)
                    if "if you trust the process" not in said:
                        self.assertEqual(nr, RT_SIGRETURN)

    def test_kill(self):
        self.sweep("KILL", self.numbers())

    def test_errno(self):
        self.sweep("EPERM", self.numbers()[::1 if LONG else 3])

    def test_every_interpreter_whose_futex_or_rseq_is_refused(self):
        for n, python in enumerate(interpreters()):
            for nr in (FUTEX, 334) if LONG else (FUTEX, 334)[n % 2:][:1]:
                with self.subTest(python=python.name, call=nr), \
                        Confined(one_call(nr, "EPERM", "busy"), python=python.path) as t:
                    self.captured(t, "external")

    def test_asked_for_the_agent(self):
        with Confined(one_call(310, "KILL", "sleep")) as t:
            self.refused(t, NAMED + r"ends it at a call that it forbids, the first being "
                         r"process_vm_readv \(310\)", "--method=agent")
        with Confined(one_call(FUTEX, "EPERM", "sleep")) as t:
            self.refused(t, NAMED + r"refuses futex \(202\)", "--method=agent")

    def test_emergency_return_forbidden(self):
        with Confined(one_call(RT_SIGRETURN, "KILL", "sleep")) as t:
            self.refused(t, NAMED + r"forbids rt_sigreturn \(15\)")


@unittest.skipUnless(ROOT_USER, "reading a filter needs CAP_SYS_ADMIN")
class Actions(SeccompCase):
    WAIT = "wait('sleep')\n"

    def test_all(self):
        for rule, method in (("kill:readv", "external"), ("thread:readv", "external"),
                             ("trap:readv", "external"), ("notify:readv", "external"),
                             ("log:readv", "agent"), ("trace:process_vm_readv", "agent"),
                             ("errno:process_vm_readv", "agent")):
            with self.subTest(rule=rule), Confined(self.WAIT, "allow," + rule) as t:
                self.captured(t, method)

    def test_no_copy_without_the_filter_unasked(self):
        """A process that has put code of its own into its C library, for the copy to run:
        it can't do there what it may not do."""
        escape = os.path.join(self.tmp, "escaped")
        code = """
import ctypes, struct
libc = ctypes.CDLL(None)
path = ctypes.create_string_buffer(%r)
code = (b"\\x48\\xbf" + struct.pack("<Q", ctypes.addressof(path)) +   # creat(path, 0644)
        b"\\xbe\\xa4\\x01\\0\\0\\xb8\\x55\\0\\0\\0\\x0f\\x05\\x31\\xc0\\xc3")
at = ctypes.cast(libc.dlopen, ctypes.c_void_p).value
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
assert libc.mprotect(at & ~4095, 8192, 7) == 0
ctypes.memmove(at, code, len(code))
""" % escape.encode()
        with Confined(code + "install(85, KILL)\n" + self.WAIT) as t:
            self.refused(t, "if you trust the process, --method=external")
        self.assertFalse(os.path.exists(escape))

    def test_arguments(self):
        for rule in ("kill:mmap/2=7", "kill:clone/0=0x800000", "kill:clone/0=0",
                     "kill:prctl/0=15", "kill:futex/1=0x189"):
            with self.subTest(rule=rule), Confined(self.WAIT, "allow," + rule) as t:
                self.captured(t, "external")

    def test_several_filters(self):
        with Confined(self.WAIT, "allow,errno:acct", "allow,kill:acct", "allow,log:acct") as t:
            self.captured(t, "external")

    def test_a_supervisor_for_every_copy(self):
        with Confined("install(56, NOTIFY, NEW_LISTENER)\n" + self.WAIT) as t:
            self.captured(t, "external")

    def test_docker(self):
        with Confined(self.WAIT, "errno,errno:clone3=38,allow:@" +
                      os.path.join(FILTERS, "docker")) as t:
            self.captured(t, "agent")

    def test_systemd(self):
        rules = ",allow:@" + os.path.join(FILTERS, "system-service")
        with Confined(self.WAIT, "kill" + rules) as t:
            self.captured(t, "external")
        with Confined(self.WAIT, "errno" + rules) as t:
            self.captured(t, "agent")


@unittest.skipUnless(ROOT_USER, "reading a filter needs CAP_SYS_ADMIN")
class Threads(SeccompCase):
    OTHER = ("def other():\n    install(%d, KILL, %s)\n    wait('sleep')\n"
             "threading.Thread(target=other).start()\nwait('sleep')\n")

    def test_filter_of_one_thread(self):
        """The main thread has none."""
        for nr in (56, 310):
            with self.subTest(call=nr), Confined(self.OTHER % (nr, "0")) as t:
                result, said = self.capture(t)
                self.assertEqual(result.get("status"), "complete", said)

    def test_filter_of_the_main_thread(self):
        """It is the first to be tried; another one has no filter."""
        for options in ((), ("--method=agent",), ("--method=external",)):
            with self.subTest(options=options), \
                    Confined("threading.Thread(target=wait, args=('sleep',)).start()\n"
                             "install(310, KILL)\nwait('sleep')\n") as t:
                result, said = self.capture(t, *options)
                self.assertEqual(result.get("status"), "complete", said)

    def test_filter_of_all_but_a_late_one(self):
        """More threads under a filter than are tried; one that is tried last has none."""
        code = ("import os\n"
                "def confined():\n    install(310, KILL)\n    wait('sleep')\n"
                "def free():\n    wait('busy')\n"
                "for i in range(20):\n    threading.Thread(target=confined).start()\n"
                "threading.Thread(target=free).start()\ninstall(310, KILL)\nwait('sleep')\n")
        with Confined(code, threads=21) as t:
            result, said = self.capture(t, "--method=agent")
            self.assertEqual(result.get("status"), "complete", said)

    def test_filter_of_all(self):
        with Confined(self.OTHER % (310, "TSYNC"), threads=2) as t:
            self.captured(t, "external")

    def test_filter_that_comes_meanwhile(self):
        """The agent isn't taken out under it, which is told."""
        code = ("keep = [{i: str(i)} for i in range(200000)]\n"
                "while 'memfd:pymem' not in open('/proc/self/maps').read():\n"
                "    time.sleep(0.001)\n"
                "install(56, KILL)\nwait('sleep')\n")
        for _ in range(10):
            with Confined(code, threads=0) as t:
                while not threads_confined(t.pid):
                    p = run([LOAD, "-q", "-f", self.path("s.pymem"), str(t.pid)])
                with open("/proc/%d/maps" % t.pid) as f:
                    stays = "memfd:pymem" in f.read()
                said = p.stderr.decode()
                self.assertEqual(said.count("\n"), stays, said)
                if stays:
                    self.assertRegex(said, NAMED + "ends it.* stays there, idle$")
                self.assertNotIn("no agent is run", said)
                self.assertEqual(t.end(), -signal.SIGTERM, said)
                if stays:
                    return
        self.fail("the filter never came in time")

    def test_forbidden_wait(self):
        """The call that the main thread is in is forbidden from now on."""
        # read() gives the GIL away: who only waited for that would be running by then
        code = ("import os\n"
                "def state():\n"
                "    fd = os.open('/proc/self/task/%%d/stat' %% os.getpid(), os.O_RDONLY)\n"
                "    found = os.read(fd, 500).rpartition(b')')[2].split()[0]\n"
                "    os.close(fd)\n"
                "    return found\n"
                "def other():\n"
                "    while state() != b'S':\n"
                "        time.sleep(0.001)\n"
                "    install(%d, KILL, TSYNC)\n"
                "    wait('lock')\n"
                "threading.Thread(target=other).start()\nwait(%r)\n")
        for nr, kind in ((CLOCK_NANOSLEEP, "lock"), (219, "sleep")):
            with self.subTest(call=nr), Confined(code % (nr, kind), threads=2) as t:
                self.captured(t, "external")


@unittest.skipUnless(ROOT_USER, "needs root to become others")
class OrdinaryUser(SeccompCase):
    def test_unreadable(self):
        for action in ("KILL", "EPERM"):
            for nr in (56, 202, 219, 310):
                with self.subTest(action=action, call=nr), \
                        Confined(one_call(nr, action, "sleep"), prefix=NOBODY) as t:
                    self.refused(t, "seccomp filter that can't be read without CAP_SYS_ADMIN",
                                 prefix=NOBODY)

    def test_own_filter(self):
        """The loader has the same filter around it, as in one container."""
        for rule, words in (("errno:process_vm_readv", ""), ("kill:acct", "can't be read"),
                            ("trap:acct", "can't be read"), ("notify:acct", "can't be read")):
            os.chmod(self.tmp, 0o777)
            path = self.path("own.pymem")
            shell = ("/usr/bin/python3 -S -c 'import time; print(flush=True); time.sleep(1000)' "
                     ">%s & while ! [ -s %s ]; do sleep 0.05; done; %s -q -f %s $!; "
                     "kill -TERM $!; wait $!; echo ended $?" %
                     (self.path("ready"), self.path("ready"), LOAD, path))
            with self.subTest(rule=rule):
                p = run(NOBODY + [LAUNCH, "allow," + rule, "--", "sh", "-c", shell], timeout=600)
                said = p.stderr.decode()
                self.assertEqual(p.stdout, b"ended 143\n", said)
                self.assertEqual(os.path.exists(path), not words, said)
                self.assertIn(words, said)
                for name in (path, self.path("ready")):
                    if os.path.exists(name):
                        os.unlink(name)

    def test_others_filter(self):
        """As many filters as the loader, in the same control group, but not the same."""
        os.chmod(self.tmp, 0o777)
        ready, path = self.path("ready"), self.path("others.pymem")
        shell = ("%s allow,kill:acct -- /usr/bin/python3 -S -c 'import time; "
                 "print(flush=True); time.sleep(1000)' >%s & while ! [ -s %s ]; do sleep 0.05; "
                 "done; %s allow,errno:acct -- %s -q -f %s $!; kill -TERM $!; wait $!; "
                 "echo ended $?" % (LAUNCH, ready, ready, LAUNCH, LOAD, path))
        p = run(NOBODY + ["sh", "-c", shell], timeout=600)
        said = p.stderr.decode()
        self.assertEqual(p.stdout, b"ended 143\n", said)
        self.assertIn("can't be read", said)
        self.assertFalse(os.path.exists(path), said)


if __name__ == "__main__":
    main()
