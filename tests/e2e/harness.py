# SPDX-License-Identifier: MIT
"""What every end-to-end test shares: where the programs are, which
interpreters there are, how a target is started, and how /proc is compared
before and after a capture.

    from harness import *

    class T(Case):
        def test_it(self):
            for python in interpreters():
                with self.subTest(python=python.name), Target(python, CODE) as t:
                    before = ProcState(t.pid)
                    run_load("-q", "-f", path, str(t.pid))
                    self.assert_untouched(before)

    if __name__ == "__main__":
        main()
"""
import atexit
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def _link(source, target, **unused):
    try:
        os.link(source, target)
    except OSError:     # another file system
        shutil.copy2(source, target)


def _close_build(place, pid):
    if os.getpid() == pid:      # not in what a test forked
        shutil.rmtree(place, ignore_errors=True)


def _open_build(build):
    """Root's tests become other users, who must be able to run what was built: where a
    folder above it is closed to them, as one of mktemp's is, links to it in an open
    folder, until the test ends."""
    above = os.path.realpath(build)
    while above != "/" and os.stat(above).st_mode & 0o001:
        above = os.path.dirname(above)
    if above == "/" or os.geteuid() != 0 or not os.path.isdir(build):
        return build
    place = tempfile.mkdtemp(prefix="pymem-build-")
    atexit.register(_close_build, place, os.getpid())
    os.chmod(place, 0o755)
    for part in ("bin", "lib", "tests/targets", "tests/images"):
        if os.path.isdir(os.path.join(build, part)):
            shutil.copytree(os.path.join(build, part), os.path.join(place, part),
                            copy_function=_link)
    for part in ("browser", "readers"):     # of npm's
        if os.path.isdir(os.path.join(build, part)):
            os.symlink(os.path.realpath(os.path.join(build, part)), os.path.join(place, part))
    return place


BUILD = _open_build(os.environ.get("PYMEM_BUILD") or os.path.join(ROOT, "build"))
LOAD = os.path.join(BUILD, "bin", "pymem-load")
VIEW = os.path.join(BUILD, "bin", "pymem-view")
AGENT = os.path.join(BUILD, "lib", "libpymemagent.so")
TORTURE = os.environ.get("PYMEM_TORTURE") == "1"
LONG = TORTURE or os.environ.get("PYMEM_LONG") == "1"
# How much slower than usual the machine is: an emulated one (tests/arm64/inside).
SLOW = int(os.environ.get("PYMEM_TEST_SLOW") or 1)


class Python:
    """One interpreter found on this machine."""

    def __init__(self, path):
        self.path = path
        # each script of tests asks all of them: sysconfig would cost as much again
        impl, version, ft, debug, traces = self._ask(
            "import sys;print(sys.implementation.name,"
            "'.'.join(map(str,sys.version_info[:3])),int('t' in sys.abiflags),"
            "int(hasattr(sys,'gettotalrefcount')),int(hasattr(sys,'getobjects')))").split()
        self.implementation = impl
        self.version = tuple(int(x) for x in version.split("."))
        self.free_threaded = ft == "1"
        self.debug = debug == "1"
        self.traces = traces == "1"	# Py_TRACE_REFS
        self.name = "%s (%s%s%s)" % (path, version, "t" if self.free_threaded else "",
                                     "d" if self.debug else "")

    def _ask(self, code):
        return subprocess.run([self.path, "-S", "-E", "-c", code], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=300 * SLOW,
                              check=True).stdout.decode().strip()

    @property
    def include(self):
        return self._ask("import sysconfig;print(sysconfig.get_paths()['include'])")

    @property
    def has_headers(self):
        return os.path.exists(os.path.join(self.include, "Python.h"))

    def __repr__(self):
        return self.name


def _candidates():
    """Every file that may be an interpreter: PYMEM_TEST_PYTHONS, pyenv, Debian's."""
    for path in os.environ.get("PYMEM_TEST_PYTHONS", "").split(os.pathsep):
        if path:
            yield path
    if os.environ.get("PYMEM_TEST_ONLY") == "1":
        return
    roots = [os.environ.get("PYENV_ROOT"), os.path.expanduser("~/.pyenv")]
    for root in roots:
        if root:
            for path in sorted(glob.glob(os.path.join(root, "versions", "*", "bin", "python"))):
                yield path
    for path in sorted(glob.glob("/usr/bin/python3*") + glob.glob("/usr/local/bin/python3*")):
        name = os.path.basename(path)
        if name == "python3" or name[7:].replace(".", "").isdigit():
            yield path
    found = shutil.which("python3")
    if found and "shims" not in found:
        yield found


_found = None


def interpreters():
    """All CPython >= 3.6 found, each real file once, oldest first."""
    global _found
    if _found is None:
        seen, _found = set(), []
        for path in _candidates():
            real = os.path.realpath(path)
            if real in seen or not os.access(real, os.X_OK):
                continue
            seen.add(real)
            try:
                python = Python(path)
            except (subprocess.SubprocessError, OSError, ValueError):
                continue
            if python.implementation == "cpython" and python.version >= (3, 6):
                _found.append(python)
        _found.sort(key=lambda p: (p.version, p.path))
    return list(_found)


def some_interpreters(count=3):
    """A few of them for slow tests: the oldest, the newest, Debian's or a middle one."""
    found = interpreters()
    if len(found) <= count:
        return found
    picked = [found[0], found[-1]]
    rest = sorted((p for p in found if p not in picked),
                  key=lambda p: p.path != "/usr/bin/python3")
    return sorted((picked + rest)[:count], key=lambda p: (p.version, p.path))


def debian():
    """An interpreter that lies where everybody may read it."""
    found = [p for p in interpreters() if p.path.startswith("/usr/")]
    if not found:
        raise unittest.SkipTest("no interpreter under /usr")
    return found[0]


def in_turn(n, since=(3, 6)):
    """For cases of which each would do on any interpreter: the nth on one of some, the next
    on another; with --long each on all."""
    found = [p for p in (interpreters() if LONG else some_interpreters()) if p.version >= since]
    return found if LONG or not found else [found[n % len(found)]]


# A target that is busy until it is told to end, and remembers wrong results in `errors`.
CHECKED_BUSY = r'''
import json, select
errors, shape = [], {"a": [1, 2.5, None], "x": list(range(60))}
ready()
while not select.select([_r], [], [], 0)[0]:
    if json.loads(json.dumps(shape)) != shape:
        errors.append("json")
serve()
'''


# ppoll on the two processors: there the agent's thread waits, with all of it armed. A program
# that is over before that is another test's.
ARMED = """import os, time
def armed():
    for tid in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/" + tid + "/comm") as f:
                if f.read() == "pymem-watch\\n":
                    with open("/proc/self/task/" + tid + "/syscall") as g:
                        return g.read().split()[0] in ("271", "73")
        except (OSError, IndexError):
            pass
    return True
for _ in range(20000):
    if armed():
        break
    time.sleep(0.001)
"""


class Target:
    """A Python process under test.  CODE runs after a prelude that gives it
    ready() (tells the parent it is set up) and serve() (answers expressions and
    statements sent by ask() and tell(), on the pipe, until it is closed)."""

    PRELUDE = r'''
import sys, os, json
def _out(obj):
    _w.write(json.dumps(obj) + "\n"); _w.flush()
_r = os.fdopen(int(os.environ.pop("PYMEM_T_R")), "r")
_w = os.fdopen(int(os.environ.pop("PYMEM_T_W")), "w")
def ready(obj=True):
    _out(obj)
def hold_gil():
    """In C code, with the GIL, until the next request has come (await_call "poll")."""
    import ctypes, struct
    ctypes.PyDLL(None).poll(ctypes.create_string_buffer(struct.pack("ihh", _r.fileno(), 1, 0)),
                            1, -1)
def serve():
    for line in iter(_r.readline, ""):
        kind, text = json.loads(line)
        try:
            if kind == "eval":
                _out(["ok", eval(text, globals())])
            else:
                exec(text, globals()); _out(["ok", None])
        except BaseException as e:
            _out(["error", "%s: %s" % (type(e).__name__, e)])
'''

    def __init__(self, python, code, args=(), env=None, user=None, prefix=(), wait=True,
                 **popen):
        self.python = python
        to_child, from_parent = os.pipe()
        to_parent, from_child = os.pipe()
        environ = dict(os.environ if env is None else env)
        environ["PYMEM_T_R"], environ["PYMEM_T_W"] = str(to_child), str(from_child)
        environ.pop("PYTHONSTARTUP", None)
        self.dir = tempfile.mkdtemp(prefix="pymem-target-")
        os.chmod(self.dir, 0o755)
        self.script = os.path.join(self.dir, "target.py")
        with open(self.script, "w") as f:
            f.write(self.PRELUDE + code)
        self.place()
        path = python.path if isinstance(python, Python) else python
        argv = list(prefix) + [path, self.script] + list(args)
        self.proc = subprocess.Popen(argv, env=environ, pass_fds=(to_child, from_child),
                                     stdin=subprocess.DEVNULL, **popen)
        os.close(to_child)
        os.close(from_child)
        self.w = os.fdopen(from_parent, "w")
        self.r = os.fdopen(to_parent, "r")
        self.pid = self.proc.pid
        self.greeting = self._line() if wait else None

    def place(self):
        """Called when self.script is written, before the process starts."""

    def _line(self):
        line = self.r.readline()
        if not line:
            raise RuntimeError("target ended (status %r)" % self.proc.poll())
        return json.loads(line)

    def _send(self, kind, text):
        self.w.write(json.dumps([kind, text]) + "\n")
        self.w.flush()
        status, value = self._line()
        if status != "ok":
            raise RuntimeError("target said " + value)
        return value

    def ask(self, expression):
        """The value of an expression in the target (through JSON)."""
        return self._send("eval", expression)

    def tell(self, statements):
        self._send("exec", statements)

    def post(self, statements):
        """As tell, but the answer is awaited with answered()."""
        self.w.write(json.dumps(["exec", statements]) + "\n")
        self.w.flush()

    def answered(self):
        status, value = self._line()
        if status != "ok":
            raise RuntimeError("target said " + value)

    def await_call(self, name):
        """Waits until the main thread sleeps in that system call."""
        wait_for(lambda: call_of(self.pid) in CALLS[name], what=name)

    @property
    def alive(self):
        return self.proc.poll() is None

    def close(self):
        for f in (self.w, self.r):
            try:
                f.close()
            except OSError:
                pass
        if self.proc.poll() is None:
            try:
                self.proc.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# numbers of x86-64 and of aarch64, where libc uses what is left of a family
CALLS = {"x86_64": {"poll": (7, 271), "ppoll": (271,), "sleep": (35, 230, 23, 270),
                   "read": (0,)},
         "aarch64": {"poll": (73,), "ppoll": (73,), "sleep": (101, 115, 72), "read": (63,)},
         }[os.uname().machine]


def call_of(pid, tid=None):
    """Number of the system call a thread sleeps in; None: it runs, or is gone."""
    try:
        first = _read("/proc/%d/task/%d/syscall" % (pid, tid or pid)).split()[0]
    except (OSError, IndexError):
        return None
    return int(first) if first.isdigit() else None


def _read(path):
    with open(path, "rb") as f:
        return f.read().decode("utf-8", "replace")


def _without_setxid(before, after):
    """The first pthread_create of a process makes glibc install its own handler of
    signal 33 (SIGSETXID, nptl/pthread_create.c late_init) for good: the one trace
    that a thread leaves, and taking it away would break a later setuid()."""
    out = {}
    for tid, lines in after.items():
        old = before.get(tid, lines)["SigCgt"]
        new = lines["SigCgt"]
        if new != old and int(new, 16) == int(old, 16) | 1 << 32:
            new = old
        out[tid] = dict(lines, SigCgt=new)
    return out


def _same_heap(before, after):
    """malloc may have taken more from the system (dlopen allocates) and keeps it for
    the application's next allocations, or, where the application has freed some since
    (what a test asks it), given it back: the end of [heap] may have moved a little."""
    heap = {m[0].split("-")[0]: m for m in before if m[2] == "[heap]"}
    out = set()
    for m in after:
        start, end = m[0].split("-")
        old = heap.get(start) if m[2] == "[heap]" else None
        if old and abs(int(end, 16) - int(old[0].split("-")[1], 16)) <= 1 << 20:
            m = old
        out.add(m)
    return before, out


class ProcState:
    """What /proc shows of a process that a capture must leave as it was."""

    STATUS = ("TracerPid", "SigBlk", "SigIgn", "SigCgt", "SigPnd", "ShdPnd", "Threads",
              "NoNewPrivs", "Seccomp")

    def __init__(self, pid):
        self.pid = pid
        base = "/proc/%d" % pid
        self.tids = sorted(os.listdir(base + "/task"), key=int)
        self.status = {}
        for tid in list(self.tids):
            try:
                text = _read("%s/task/%s/status" % (base, tid))
            except (FileNotFoundError, ProcessLookupError):
                if tid == str(pid):
                    raise
                self.tids.remove(tid)	# it ended meanwhile
                continue
            lines = dict(l.split(":", 1) for l in text.splitlines() if ":" in l)
            self.status[tid] = {k: lines.get(k, "").strip() for k in self.STATUS}
        self.fds = {}
        for fd in os.listdir(base + "/fd"):
            try:
                self.fds[fd] = os.readlink("%s/fd/%s" % (base, fd))
            except OSError:
                pass
        self.maps = []
        for line in _read(base + "/maps").splitlines():
            parts = line.split(None, 5)
            self.maps.append((parts[0], parts[1], parts[5] if len(parts) > 5 else ""))
        self.children = self._children()
        self.stopped = _read(base + "/stat").rpartition(")")[2].split()[0] in "Tt"

    def _children(self):
        found = []
        for tid in self.tids:
            try:
                found += _read("/proc/%d/task/%s/children" % (self.pid, tid)).split()
            except OSError:
                pass
        return sorted(found)

    def differences(self, after, maps=True):
        """What changed, as sentences; empty = untouched."""
        out = []
        for what in ("tids", "status", "fds", "children", "stopped"):
            a, b = getattr(self, what), getattr(after, what)
            if what == "status":
                b = _without_setxid(a, b)
            if a != b:
                out.append("%s: before %r, after %r" % (what, a, b))
        if maps:
            a, b = _same_heap(set(self.maps), set(after.maps))
            gone, new = sorted(a - b), sorted(b - a)
            if gone or new:
                out.append("maps: gone %r, new %r" % (gone, new))
        return out


class Case(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.tmp = tempfile.mkdtemp(prefix="pymem-test-")
        self.addCleanup(shutil.rmtree, self.tmp, True)

    def path(self, name):
        return os.path.join(self.tmp, name)

    def assert_untouched(self, before, maps=True, timeout=60.0):
        """/proc shows the process as before; waits a moment for the kernel to
        catch up (an exiting thread stays listed for some microseconds)."""
        deadline = time.monotonic() + timeout
        while True:
            found = before.differences(ProcState(before.pid), maps)
            if not found:
                return
            if time.monotonic() > deadline:
                self.fail("the target is not as before: " + "; ".join(found))
            time.sleep(0.02)


def run(argv, timeout=600, **kw):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL, timeout=timeout * SLOW, **kw)


def run_load(*args, timeout=600, **kw):
    """pymem-load ARGS; returns the completed process (bytes)."""
    return run([LOAD] + [str(a) for a in args], timeout=timeout, **kw)


def run_view(*args, timeout=600, **kw):
    return run([VIEW] + [str(a) for a in args], timeout=timeout, **kw)


def read_terminal(fd):
    """All that was shown on a terminal whose other end is closed: it gives it in pieces."""
    shown = b""
    try:
        while more := os.read(fd, 65536):
            shown += more
    except OSError:     # that is its end
        pass
    return shown


def wait_for(condition, timeout=600.0, what="the condition"):
    timeout *= SLOW
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited %.0f s for %s" % (timeout, what))
        time.sleep(0.01)


def skip_all(reason):
    """Ends the whole file as skipped, for CTest (SKIP_RETURN_CODE)."""
    print("SKIPPED: " + reason)
    sys.exit(77)


class TimedResult(unittest.TextTestResult):
    """Tells what a test took, where that was long: by the clock, and of processors, with
    all that it started."""

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic(), sum(os.times()[:4])

    def stopTest(self, test):
        super().stopTest(test)
        took, used = time.monotonic() - self.began[0], sum(os.times()[:4]) - self.began[1]
        if max(took, used) >= 1:
            self.stream.writeln("    %.1f s, %.1f s of processors" % (took, used))


def main():
    if not interpreters():      # tests that go through them all would pass
        sys.exit("no CPython was found to be tested")
    print("interpreters: " + ", ".join(p.name for p in interpreters()), flush=True)
    unittest.main(testRunner=unittest.TextTestRunner(verbosity=2, resultclass=TimedResult))
