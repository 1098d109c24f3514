# ctest: labels=e2e cost=85
# SPDX-License-Identifier: MIT
"""What means harm: a process that answers the agent's control socket itself and sends
what it likes; names full of terminal escapes; snapshots and sidecars made to exhaust the
viewer.  Each ends soon, in bounded memory, with one sentence, and nothing of it reaches
the terminal as more than text."""
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time

import forge
from harness import *

ESCAPES = b"\x1b]0;PWNED\x07\x1b[31m\r\nroot# \x9b1;31m\xc2\x9b2J\xe2\x80\xae"

# Instead of the agent: accepts one start, then does as MODE says (see MODES).
DOOR = r'''
import array, socket, struct, threading, time
sys.path.insert(0, %r)
import forge
ESCAPES = %r
mode, folder = sys.argv[1], sys.argv[2]
door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
door.bind("%%s/%%d.sock" %% (folder, os.getpid()))
door.listen(8)

def packet(nonce, kind, text=b"", a=0, b=0, c=0, d=0):
    return struct.pack("<IIQQQQQ", kind, len(text), nonce, a, b, c, d) + text

def flood(nonce, control, stream):
    empty = b"".join(forge.block_head(200, sequence=n) for n in range(1, 20001))
    stream.sendall(forge.head())
    while True:
        stream.sendall(empty)

def endless(nonce, control, stream):
    stream.sendall(forge.head() + forge.block_head(200, raw=1, frame=0xffffffff, count=1,
                                                   sequence=1))
    while True:
        stream.sendall(bytes(1 << 20))

def growing(nonce, control, stream):
    """Whole blocks in their order, each as large as may be: none is wrong by itself."""
    body, crc = BODY
    stream.sendall(forge.head())
    n = 0
    while True:
        n += 1
        stream.sendall(forge.block_head(5, 8, 32 << 20, len(body), 0, 1, n, crc) + body)

def messages(nonce, control, stream):
    while True:
        control.send(packet(nonce, 2, b"A" * 3000))

def garbage(nonce, control, stream):
    while True:
        control.send(b"x")

def silent(nonce, control, stream):
    time.sleep(1e6)

def escape(nonce, control, stream):
    control.send(packet(nonce, 2, b"phase " + ESCAPES))
    stream.sendall(forge.head() + forge.facts([
        ("pid", os.getpid()), ("python.version", ESCAPES), ("cmdline", ESCAPES)], 1) +
        forge.strings([b"evil" + ESCAPES, ESCAPES], 2) + forge.types([1, 2], 3) +
        forge.objects(100, 4))
    control.send(packet(nonce, 4, b"type " + ESCAPES, 11, 0x10000))
    control.send(packet(nonce, 7, b"failed " + ESCAPES, 10))

def serve_one(connection):
    data, parts, _, _ = connection.recvmsg(65536, 256)
    fds = array.array("i")
    for level, kind, content in parts:
        fds.frombytes(content[:len(content) - len(content) %% 4])
    if len(fds) < 2:
        return      # it only asked whether somebody answers
    nonce = struct.unpack_from("<Q", data, 32)[0]
    connection.send(struct.pack("<i", 0))
    control, stream = (socket.socket(fileno=fd) for fd in fds)
    control.send(packet(nonce, 1, b"", 2, 1, os.getpid()))
    try:
        globals()[mode](nonce, control, stream)
    except OSError:
        pass

def accept():
    while True:
        threading.Thread(target=serve_one, args=door.accept()[:1], daemon=True).start()
if mode == "growing":
    BODY = os.urandom(1 << 20),
    BODY += forge.crc32c(BODY[0]),  # slow: before anybody waits
threading.Thread(target=accept, daemon=True).start()
ready()
serve()
''' % (os.path.dirname(os.path.abspath(__file__)), ESCAPES)

ONE_SENTENCE = re.compile(r"\Apymem-load: \d+: [^\n]+\n\Z")


def raw_controls(data):
    """What a terminal would obey."""
    found = [hex(c) for c in data if (c < 32 and c != 10) or c == 0x7f]
    text = data.decode(errors="surrogateescape")
    return found + [hex(ord(c)) for c in text
                    if 0x80 <= ord(c) < 0xa0 or 0x200b <= ord(c) < 0x2010
                    or 0x202a <= ord(c) < 0x202f or ord(c) >= 0xdc80 and ord(c) < 0xdd00]


def is_connected(process):
    """Has it a socket by now, or ended?"""
    try:
        folder = "/proc/%d/fd" % process.pid
        return process.poll() is not None or \
            any(os.readlink(os.path.join(folder, fd)).startswith("socket:")
                for fd in os.listdir(folder))
    except OSError:
        return False        # a descriptor that was closed between the two


class Measured:
    """A program run to its end (or to the limit, by SIGINT): status, output, peak KiB."""

    def __init__(self, argv, limit=120, interrupt=None, env=None):
        began = time.monotonic()
        self.interrupted = False
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=env) as process:
            if interrupt:
                wait_for(lambda: is_connected(process), 60, "it to be connected")
                process.send_signal(interrupt)
            try:
                self.out, self.err = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                self.out, self.err = process.communicate()
                self.interrupted = True
            self.status = process.returncode
        self.seconds = time.monotonic() - began


def peak_of(argv, limit=300):
    """(Measured, peak resident KiB) through a shell's child, whose usage is asked."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    code = ("import resource,subprocess,sys\n"
            "r = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL, timeout=%d)\n"
            "u = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
            "open(sys.argv[1], 'w').write('%%d %%d' %% (r.returncode, u))\n" % limit)
    with tempfile.NamedTemporaryFile("r") as f:
        done = Measured([sys.executable, "-c", code, f.name, *argv], limit + 10)
        words = f.read().split()
    if len(words) != 2:
        raise AssertionError("no end within %d s: %r" % (limit, done.err[-300:]))
    done.status = int(words[0])
    return done, int(words[1])


class Sender(Case):
    """A target that sends what it likes."""

    def capture(self, mode, *options, interrupt=None):
        folder = self.path("door")
        os.makedirs(folder, exist_ok=True)
        env = dict(os.environ, PYMEM_CONTROL=folder)
        out = self.path("out.pymem")
        with Target(sys.executable, DOOR, [mode, folder], env=env) as t:
            done, peak = None, 0
            argv = [LOAD, "-q", "-f", out, *options, str(t.pid)]
            if interrupt:
                done = Measured(argv, interrupt=interrupt)
            else:
                done, peak = peak_of(argv)
            self.assertTrue(t.alive)
            self.assertEqual(t.ask("1 + 1"), 2)
        self.assertFalse(done.interrupted, "it had to be killed")
        self.assertLess(peak, 150 << 10)
        if os.path.exists(out):
            self.assertLess(os.path.getsize(out), 400 << 20)
            os.unlink(out)
        self.assertEqual(raw_controls(done.out + done.err), [])
        return done

    def refused(self, mode, words):
        done = self.capture(mode, "--timeout", "60", "--method", "agent")
        self.assertEqual(done.status, 1, done.err)
        self.assertRegex(done.err.decode(), ONE_SENTENCE)
        self.assertIn(words, done.err.decode())

    def test_blocks_without_content(self):
        self.refused("flood", "not a snapshot")

    def test_a_block_that_never_ends(self):
        self.refused("endless", "not a snapshot")

    def test_more_than_the_process_has(self):
        done = self.capture("growing", "--timeout", "60", "--method", "agent")
        self.assertIn(done.status, (1, 3))
        self.assertIn("more than a process of this size", done.err.decode())

    def test_a_storm_of_messages(self):
        self.refused("messages", "more than a process of this size")

    def test_packets_that_are_no_messages(self):
        self.refused("garbage", "more than a process of this size")

    def test_silence_ends_by_the_clock(self):
        done = self.capture("silent", "--timeout", "2")
        self.assertIn(done.status, (0, 1))      # 0: by a frozen copy, without its help

    def test_signals_end_it(self):
        for mode in ("flood", "messages", "silent", "growing"):
            for number in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(mode=mode, signal=number):
                    done = self.capture(mode, "--method", "agent", interrupt=number)
                    self.assertNotEqual(done.status, 0)

    def test_texts(self):
        for options in ((), ("-d",), ("--json",)):
            with self.subTest(options=options):
                done = self.capture("escape", *options)
                self.assertIn(b"PWNED", done.out + done.err)
                if options == ("--json",):
                    json.loads(done.out.decode("ascii"))


class Names(Case):
    """Texts from the kernel that a stranger chose."""

    IDLE = "ready()\nserve()\n"

    @unittest.skipUnless(os.geteuid() == 0, "needs root: makes a control group")
    def test_control_group(self):
        old = os.path.isdir("/sys/fs/cgroup/memory")
        base = b"/sys/fs/cgroup/memory" if old else b"/sys/fs/cgroup"
        group = base + b"/pymem\x1b]0;PWNED\x07\x1b[31m\xe2\x80\xae%d" % os.getpid()
        try:
            os.mkdir(group)
        except OSError as e:
            self.skipTest("no control group can be made: %s" % e)
        limit = group + (b"/memory.limit_in_bytes" if old else b"/memory.max")
        with Target(sys.executable, self.IDLE) as t:
            try:
                try:
                    with open(limit, "w") as f:
                        f.write(str(300 << 20))
                    with open(group + b"/cgroup.procs", "w") as f:
                        f.write(str(t.pid))
                except OSError as e:
                    self.skipTest("no memory controller here: %s" % e)
                for options in (["--dry-run"], ["--dry-run", "--json"], ["-d", "--dry-run"]):
                    done = Measured([LOAD, *options, str(t.pid)])
                    if "--json" not in options:
                        self.assertIn(b"PWNED", done.out)
                    self.assertEqual(raw_controls(done.out + done.err), [])
                used = group + (b"/memory.usage_in_bytes" if old else b"/memory.current")
                with open(used) as f:
                    tight = int(f.read()) + (4 << 20)
                with open(limit, "w") as f:
                    f.write(str(tight))
                done = Measured([LOAD, "-q", "-f", self.path("x"), str(t.pid)])
                self.assertEqual(done.status, 1)
                self.assertEqual(raw_controls(done.err), [])
            finally:
                with open(base + b"/cgroup.procs", "w") as f:
                    f.write(str(t.pid))
                os.rmdir(group)

    def test_process_and_tracer(self):
        name = "import ctypes; l = ctypes.CDLL(None); l.prctl(15, b'\\x1b]0;P\\x07\\x1b[1m')\n"
        tracer = name + ("l.ptrace.argtypes = [ctypes.c_long] * 4\n"
                         "assert l.ptrace(0x4206, int(sys.argv[1]), 0, 0) == 0\n" + self.IDLE)
        with Target(sys.executable, name + self.IDLE) as t:
            done = Measured([LOAD, "--dry-run", str(t.pid)])
            self.assertIn(rb"\x1b]0;P", done.out)
            self.assertEqual(raw_controls(done.out + done.err), [])
            try:
                watcher = Target(sys.executable, tracer, [str(t.pid)])
            except RuntimeError:
                self.skipTest("nothing may be traced here")
            with watcher:
                done = Measured([LOAD, "-q", "-f", self.path("x"), str(t.pid)])
                self.assertEqual(done.status, 1)
                self.assertIn(rb"\x1b]0;P", done.err)
                self.assertEqual(raw_controls(done.out + done.err), [])


class Files(Case):
    """Snapshots made to exhaust their reader."""

    LIMIT = 600 << 10           # KiB: 512 MiB, and what the program itself needs

    def view(self, data, *options, statuses=(1, 3), sentences=1):
        path = self.path("evil.pymem")
        with open(path, "wb") as f:
            f.write(data)
        for extra in (["--report", "overview"], ["--report", "types", "--format", "json"],
                      ["--export", "jsonl", "-o", os.devnull]):
            with self.subTest(extra=extra):
                done, peak = peak_of([VIEW, "--no-sidecar", *extra, *options, path])
                self.assertLess(peak, self.LIMIT + 16 * (len(data) >> 10))
                if extra[0] == "--export":
                    # A stream: how it ended is told at its end.
                    self.assertIn(done.status, (0, *statuses), done.err[-500:])
                    continue
                self.assertIn(done.status, statuses, done.err[-500:])
                self.assertEqual(raw_controls(done.out + done.err), [])
                said = done.err.decode().splitlines()
                said = [line for line in said if line.startswith("pymem-view:")]
                self.assertGreater(len(said), 0)
                self.assertLessEqual(len(said), sentences, said[:20])

    def prefix(self):
        return (forge.head() + forge.facts([("pid", 1)], 1) + forge.strings([b"t"], 2) +
                forge.types([1], 3))

    def test_objects_that_cost_nothing(self):
        data, each = self.prefix(), 2000000
        for n in range(40 if LONG else 14):     # 30 bytes for each would be too much
            data += forge.objects(each, 4 + n, n * each, 0x10000 + 16 * n * each)
        self.assertLess(len(data), 100000)
        self.view(data)

    def test_empty_blocks(self):
        data = self.prefix() + b"".join(forge.block_head(200, sequence=4 + n)
                                        for n in range(100000))
        self.view(data)

    def test_lost_definitions(self):
        """Headers of lost blocks that claim a million ids each."""
        data, each = self.prefix(), 1 << 20
        for n in range(200):
            data += forge.block_head(forge.STRINGS, 2, 16, 16, 1 + n * each, each, 4 + n) + \
                bytes(16)
        self.view(data)

    def test_deep_strings(self):
        text = b"\x1b" * (30 << 20)
        data = forge.head() + forge.facts([("pid", 1)], 1) + \
            forge.strings([text, b"t"], 2) + forge.types([1], 3) + forge.objects(10, 4)
        self.view(data)

    def test_many_processes(self):
        self.view(forge.head() * (20000 if LONG else 1500), sentences=12)


if __name__ == "__main__":
    main()
