# ctest: labels=e2e;ptrace cost=42
# SPDX-License-Identifier: MIT
"""Root captures a process of an ordinary user that wants to misuse it: whatever the
process puts in the place of what the loader makes, nothing of root's is written, made
or read, the loader ends by its clock, and other captures go on as ever."""
import ctypes
import socket
import struct
import threading

from harness import *

if os.geteuid():
    skip_all("only root can be misused")

HOSTILE = os.path.join(BUILD, "tests", "targets", "hostile.so")
LAUNCH = os.path.join(BUILD, "tests", "targets", "seccomp_launch")
USER = 65534
AS_USER = ["setpriv", "--reuid=%d" % USER, "--regid=%d" % USER, "--clear-groups"]
PIDFD_GETFD, OPENAT2 = 438, 437
WAIT = 240              # the machine may be busy; a loader that hangs does so for ever
SECRET = "a secret of root's\n" * 3

# bait(): a descriptor of the file that root is to spoil, as a stranger can have one
CODE = r'''
import ctypes, os, sys
os.setgroups([]); os.setresgid(%d, %d, %d); os.setresuid(%d, %d, %d)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(4, 1, 0, 0, 0) == 0           # dumpable again, as any process
hostile = ctypes.CDLL(os.environ["HOSTILE"])
heap = [{i: str(i)} for i in range(1000)]
def bait():
    try:
        open(os.environ["VICTIM"], "r+")
        raise SystemExit("the file isn't out of reach")
    except PermissionError:
        return os.open(os.environ["VICTIM"], os.O_PATH)
''' % ((USER,) * 6)
END = "\nready()\nserve()\n"


class SilentFiles:
    """A file system (FUSE) with one file, of which no byte is ever given out."""
    LOOKUP, FORGET, GETATTR, OPEN, READ, INIT, INTERRUPT, BATCH_FORGET = \
        1, 2, 3, 14, 15, 26, 36, 42

    def __init__(self, where):
        self.where, self.asked = where, threading.Event()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        options = "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % self.fd
        if self.libc.mount(b"silent", where.encode(), b"fuse.silent", 6, options.encode()):
            os.close(self.fd)
            raise OSError(ctypes.get_errno(), "no FUSE here")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @staticmethod
    def attributes(node):
        mode = 0o40755 if node == 1 else 0o100755
        return struct.pack("<6Q10I", node, 8192, 16, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0,
                           4096, 0)

    def answer(self, operation, node):
        if operation == self.INIT:
            return 0, struct.pack("<IIIIHHIIHH7I", 7, 31, 65536, 0, 12, 9, 1 << 17, 1, 32,
                                  0, *[0] * 7) + b"\0" * 4
        if operation == self.LOOKUP:
            return 0, struct.pack("<QQQQII", 2, 0, 3600, 3600, 0, 0) + self.attributes(2)
        if operation == self.GETATTR:
            return 0, struct.pack("<QII", 3600, 0, 0) + self.attributes(node)
        if operation == self.OPEN:
            return 0, struct.pack("<QII", 1, 0, 0)
        return -38, b""

    def serve(self):
        while True:
            try:
                _, operation, unique, node = struct.unpack_from(
                    "<IIQQ", os.read(self.fd, 1 << 20))
            except OSError:
                return
            if operation == self.READ:
                self.asked.set()
            elif operation not in (self.FORGET, self.INTERRUPT, self.BATCH_FORGET):
                error, data = self.answer(operation, node)
                os.write(self.fd, struct.pack("<IiQ", 16 + len(data), error, unique) + data)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        """Whoever waits is told that there is no such connection."""
        self.libc.umount2(self.where.encode(), 1)       # MNT_FORCE
        self.libc.umount2(self.where.encode(), 2)       # MNT_DETACH
        self.thread.join()
        os.close(self.fd)


class Hostile(Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.tmp, 0o755)
        self.victim = self.path("victim")
        with open(self.victim, "w") as f:
            f.write(SECRET)
        os.chmod(self.victim, 0o600)
        # what a user may load and read
        self.library = self.path("hostile.so")
        shutil.copy(HOSTILE, self.library)
        os.chmod(self.library, 0o755)

    def target(self, code, env=(), **more):
        env = dict(os.environ, HOSTILE=self.library, VICTIM=self.victim, **dict(env))
        return Target("/usr/bin/python3", CODE + code + END, env=env, **more)

    def load(self, pid, *options, prefix=()):
        """(exit status, last line of what it said); it ends, whatever the target does."""
        p = run([*prefix, LOAD, "-q", "-f", self.path("s.pymem"), *options, str(pid)],
                timeout=WAIT)
        said = p.stderr.decode("utf-8", "replace").strip().splitlines()
        self.assertIn(p.returncode, (0, 1, 3), said)
        if p.returncode:
            self.assertTrue(said and said[-1].startswith("pymem-load: "), said)
        return p.returncode, said[-1] if said else ""

    def assert_secret(self):
        with open(self.victim, "rb") as f:
            self.assertEqual(f.read(200), SECRET.encode())
        st = os.stat(self.victim)
        self.assertEqual((st.st_uid, st.st_mode & 0o7777), (0, 0o600))

    def until_done(self, t, capture, least=2, tries=40):
        """Captures until the hostile thread was the quicker one often enough."""
        for _ in range(tries):
            capture()
            self.assert_secret()
            self.assertEqual(t.ask("1 + 1"), 2)
            if t.ask("hostile.hostile_done()") >= least:
                return
        self.skipTest("the hostile thread was never quick enough")

    def test_another_file_in_the_place_of_the_memfd(self):
        for method in ("agent", "auto"):
            with self.subTest(method=method), \
                    self.target("hostile.hostile_replace_memory(bait())") as t:
                self.until_done(t, lambda: self.load(t.pid, "--method", method), least=8)

    def test_own_file_in_the_place_of_the_memfd(self):
        """What the target may write itself isn't written either: it is no memfd."""
        own = self.path("own")
        with open(own, "w") as f:
            f.write("mine\n")
        os.chown(own, USER, USER)
        code = "hostile.hostile_replace_memory(os.open(%r, os.O_RDWR))" % own
        with self.target(code) as t:
            self.until_done(t, lambda: self.load(t.pid, "--method=agent"))
        with open(own) as f:
            self.assertEqual(f.read(), "mine\n")

    def writers(self, service):
        """Whose the packets are that lie in a connection: the agent, a part of the target,
        writes to what the target puts in the place of its channels, with no more rights."""
        found = set()
        while True:
            try:
                data, parts, _, _ = service.recvmsg(1 << 16, 256)
            except BlockingIOError:
                return found
            self.assertTrue(data, "the connection was closed")
            found |= {struct.unpack("iII", content[:12])[1] for level, kind, content in parts
                      if kind == socket.SCM_CREDENTIALS}

    def test_another_file_in_the_place_of_a_socket(self):
        """Also the target's connection to a service, which would take us for root."""
        path = self.path("service")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            door.bind(path)
            os.chmod(path, 0o777)
            door.listen(1)
            door.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            code = ("import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
                    "s.connect(%r)\nhostile.hostile_replace_sockets(s.fileno())" % path)
            with self.target(code) as t:
                service, _ = door.accept()
                self.until_done(t, lambda: self.load(t.pid, "--method=agent",
                                                     "--timeout=2"))
                service.setblocking(False)
                with service:
                    self.assertLessEqual(self.writers(service), {USER})
            with self.target("hostile.hostile_replace_sockets(bait())") as t:
                self.until_done(t, lambda: self.load(t.pid, "--method=agent",
                                                     "--timeout=2"))

    def test_channels_that_the_target_reads_empty(self):
        for method in ("agent", "auto"):
            with self.subTest(method=method), \
                    self.target("hostile.hostile_rob_channels()") as t:
                self.until_done(t, lambda: self.load(t.pid, "--method", method,
                                                     "--timeout=2"))

    def test_link_to_a_folder_of_roots_in_a_root_of_its_own(self):
        """No /proc there, so that the agent needs a file; 'tmp' leads out."""
        jail, folder = self.path("jail"), self.path("folder")
        os.mkdir(jail)
        os.chmod(jail, 0o777)
        os.mkdir(folder, 0o755)
        os.symlink(folder, os.path.join(jail, "tmp"))
        os.symlink("/proc", os.path.join(jail, "proc"))
        code = ("assert libc.unshare(0x10000000) == 0, 'no user namespace'\n"
                "os.chroot(%r); os.chdir('/')" % jail)
        try:
            t = self.target(code)
        except RuntimeError:
            self.skipTest("no user namespaces")
        with t:
            for method in ("agent", "external"):
                with self.subTest(method=method):
                    status, said = self.load(t.pid, "--method", method)
                    self.assertEqual(status, 0, said)
                    self.assertEqual(os.listdir(folder), [])
                    self.assertEqual(sorted(os.listdir(jail)), ["proc", "tmp"])

    def test_kernels_without_pidfd_getfd(self):
        """By pipes and by the target itself: with its rights, and only those."""
        old = [LAUNCH, "allow,errno:%d=38,errno:%d=38" % (PIDFD_GETFD, OPENAT2), "--"]
        for method in ("agent", "external"):
            with self.subTest(method=method, who="root"), self.target("") as t:
                before = ProcState(t.pid)
                status, said = self.load(t.pid, "--method", method, prefix=old)
                self.assertEqual(status, 0, said)
                self.assert_untouched(before)
            with self.subTest(method=method, who="user"), \
                    Target("/usr/bin/python3", "ready()\nserve()", prefix=AS_USER) as t:
                out = self.path("user")
                os.makedirs(out, exist_ok=True)
                os.chown(out, USER, USER)
                p = run([*AS_USER, *old, LOAD, "-q", "--method", method,
                         "-f", os.path.join(out, "s.pymem"), str(t.pid)], timeout=WAIT)
                self.assertEqual(p.returncode, 0, p.stderr)
        with self.target("hostile.hostile_replace_memory(bait())") as t:
            for _ in range(3):
                self.load(t.pid, "--method=agent", prefix=old)
                self.assert_secret()

    def test_memory_that_never_comes(self):
        """Looking at it ends by no signal; the loader is back all the same."""
        folder = self.path("silent")
        os.mkdir(folder)
        code = ("import mmap\nf = os.open(%r, os.O_RDONLY)\n"
                "m = mmap.mmap(f, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)"
                % os.path.join(folder, "library.so"))
        try:
            files = SilentFiles(folder)
        except OSError as e:
            self.skipTest("no FUSE: %s" % e)
        with files, self.target(code) as t:
            ways = ([], ["--method=external"], ["--dry-run"])
            for options in ways:
                with self.subTest(options=options):
                    status, said = self.load(t.pid, "--timeout=2", *options)
                    self.assertEqual(status, 1)
                    self.assertIn("didn't let itself be looked at", said)
            for sig in (signal.SIGINT, signal.SIGTERM):
                with self.subTest(signal=sig):
                    p = subprocess.Popen([LOAD, "-q", "-f", self.path("s.pymem"), str(t.pid)],
                                         stderr=subprocess.PIPE)
                    stuck = os.path.join("/proc", str(p.pid), "task", str(p.pid), "children")
                    wait_for(lambda: self.waits_for_ever(stuck), 60, "it to be stuck")
                    p.send_signal(sig)
                    _, said = p.communicate(timeout=WAIT)
                    self.assertEqual(p.returncode, 128 + signal.SIGINT)
                    self.assertIn(b"cancelled", said)
            self.assertTrue(files.asked.is_set())

    @staticmethod
    def waits_for_ever(children):
        """Is a child in the kernel, reading the target's memory?"""
        try:
            with open(children) as f:
                child = f.read().split()[0]
            with open("/proc/%s/stat" % child) as f:
                return f.read().rpartition(")")[2].split()[0] == "D"
        except (OSError, IndexError):
            return False


if __name__ == "__main__":
    main()
