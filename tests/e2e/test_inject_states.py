# ctest: labels=e2e;ptrace cost=34
# SPDX-License-Identifier: MIT
"""Targets in every state and confinement that this machine can stage: captured,
or refused in one sentence that names the cause, and untouched either way."""
import ctypes

from harness import *
from injection import *

GONE, NOT_PYTHON, UNSUPPORTED, PERMISSION, TRACED, NO_SAFE_POINT, STATE, CALL = range(1, 9)
IDLE = "ready()\nserve()\n"
ROOT_USER = os.geteuid() == 0
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def newest():
    return interpreters()[-1]


class StatesCase(Case):
    def refused(self, pid, code, text, *options, prefix=()):
        status, (result,), _ = drive(pid, *options, prefix=prefix)
        self.assertEqual(status, 1)
        self.assertEqual(result["code"], code, result)
        self.assertRegex(result["error"], text)

    def captured(self, pid, *options, prefix=()):
        status, (result,), log = drive(pid, *options, prefix=prefix)
        self.assertTrue(good(result), (result, log[-2000:]))
        return result


class Refusals(StatesCase):
    def test_no_such_process(self):
        with subprocess.Popen(["true"]) as p:
            p.wait()
        self.refused(p.pid, GONE, "no process %d" % p.pid)

    def test_kernel_thread(self):
        kernel = [int(d) for d in os.listdir("/proc") if d.isdigit() and self.flags(d) >> 21 & 1]
        if not kernel:
            self.skipTest("no kernel thread is visible")
        self.refused(kernel[0], UNSUPPORTED, "kernel thread")

    def flags(self, pid):
        try:
            with open("/proc/%s/stat" % pid) as f:
                return int(f.read().rpartition(")")[2].split()[6])
        except OSError:
            return 0

    def test_zombie(self):
        p = subprocess.Popen(["true"])
        wait_for(lambda: state_of(p.pid) == "Z")
        self.refused(p.pid, GONE, "zombie")
        p.wait()

    def test_not_python(self):
        with subprocess.Popen(["sleep", "30"]) as p:
            wait_for_program(p.pid, "sleep")
            self.refused(p.pid, NOT_PYTHON, "doesn't run CPython")
            p.kill()

    def test_thread_number(self):
        code = "import threading,time\nthreading.Thread(target=time.sleep, args=(30,), " \
               "daemon=True).start()\n" + IDLE
        with Target(newest(), code) as t:
            tid = max(int(x) for x in os.listdir("/proc/%d/task" % t.pid))
            self.refused(tid, UNSUPPORTED, "is a thread of process %d" % t.pid)

    def test_static_program(self):
        source = self.path("s.c")
        with open(source, "w") as f:
            f.write("#include <unistd.h>\nint main(void){sleep(30);return 0;}\n")
        if subprocess.call(["cc", "-static", "-o", self.path("s"), source],
                           stderr=subprocess.DEVNULL):
            self.skipTest("no static C library")
        with subprocess.Popen([self.path("s")]) as p:
            wait_for_program(p.pid, "s")
            self.refused(p.pid, UNSUPPORTED, "statically linked", "-a")
            p.kill()

    def test_32_bit_program(self):
        source = self.path("s.c")
        with open(source, "w") as f:
            f.write("#include <unistd.h>\nint main(void){sleep(30);return 0;}\n")
        if subprocess.call(["cc", "-m32", "-o", self.path("s"), source],
                           stderr=subprocess.DEVNULL):
            self.skipTest("no 32-bit compiler")
        with subprocess.Popen([self.path("s")]) as p:
            wait_for_program(p.pid, "s")
            self.refused(p.pid, UNSUPPORTED, "32-bit", "-a")
            p.kill()

    def test_already_traced(self):
        tracer = ("import ctypes,sys,time\nl=ctypes.CDLL(None,use_errno=True)\n"
                  "l.ptrace.argtypes=[ctypes.c_long]*4\n"
                  "assert l.ptrace(0x4206,int(sys.argv[1]),0,0)==0\n"
                  "print('on',flush=True)\ntime.sleep(30)\n")
        with Target(newest(), IDLE) as t:
            with subprocess.Popen([sys.executable, "-c", tracer, str(t.pid)],
                                  stdout=subprocess.PIPE) as other:
                self.assertEqual(other.stdout.readline(), b"on\n")
                for options in ((), ("-x",)):
                    self.refused(t.pid, TRACED, "already traced by process %d" % other.pid,
                                 *options)
                other.kill()
            self.assertEqual(t.ask("1 + 1"), 2)

    @unittest.skipUnless(ROOT_USER, "needs root to become others")
    def test_another_user(self):
        with Target(debian(), IDLE) as t:
            self.refused(t.pid, PERMISSION, "belongs to user 0 and you are user 65534",
                         prefix=NOBODY)
            self.assertEqual(t.ask("1 + 1"), 2)

    @unittest.skipUnless(ROOT_USER, "needs root to become others")
    def test_not_dumpable(self):
        code = "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n" + IDLE
        with Target(debian(), code, prefix=NOBODY) as t:
            self.refused(t.pid, PERMISSION, "isn't dumpable", prefix=NOBODY)
            self.captured(t.pid)            # root may

    def test_vfork_child(self):
        with Program("torture", "vfork", 2) as p:
            wait_for(lambda: ProcState(p.pid).children, what="the child")
            children = ProcState(p.pid).children
            self.assertEqual(len(children), 1)
            self.refused(int(children[0]), STATE, "made by vfork", "-a")
            self.captured(p.pid, "-a")      # another thread of the parent serves
            wait_for(lambda: state_of(int(children[0])) == "Z", what="the child's end")
            self.assertRegex(p.finish(), "^ok ")


class States(StatesCase):
    def test_stopped(self):
        with Target(newest(), IDLE) as t:
            before = ProcState(t.pid)
            os.kill(t.pid, signal.SIGSTOP)
            wait_for(lambda: state_of(t.pid) == "T")
            self.refused(t.pid, STATE, r"is stopped \(STOP\)")
            wait_for(lambda: state_of(t.pid) == "T")    # let go, it runs as far as its stop
            self.captured(t.pid, "-x")
            wait_for(lambda: state_of(t.pid) == "T")
            os.kill(t.pid, signal.SIGCONT)
            self.assertEqual(t.ask("1 + 1"), 2)
            self.assert_untouched(before)

    def test_stop_in_the_middle(self):
        """A SIGSTOP that comes while a thread is borrowed takes effect after it."""
        with Target(newest(), IDLE) as t:
            p = subprocess.Popen([DRIVER, "-n", "30", MINI, str(t.pid)],
                                 stdout=subprocess.PIPE)
            for _ in range(10):
                time.sleep(0.015)
                os.kill(t.pid, signal.SIGSTOP)
                wait_for(lambda: state_of(t.pid) in "Tt")
                time.sleep(0.005)
                os.kill(t.pid, signal.SIGCONT)
            out, _ = p.communicate(timeout=600)
            for line in out.splitlines():
                result = json.loads(line)
                self.assertTrue(good(result) or result["code"] in (STATE, NO_SAFE_POINT, 9),
                                result)
            self.assertEqual(t.ask("1 + 1"), 2)
            os.kill(t.pid, signal.SIGSTOP)
            wait_for(lambda: state_of(t.pid) == "T")
            os.kill(t.pid, signal.SIGCONT)

    def test_zombie_leader(self):
        code = r'''
import ctypes, threading, time
beats = [0]
def beat():
    while True:
        time.sleep(0.01)
        beats[0] += 1
def answer():
    serve()
    import os; os._exit(0)
threading.Thread(target=beat).start()
threading.Thread(target=answer).start()
ready()
ctypes.CDLL(None).syscall(60, 0)
'''
        with Target(newest(), code) as t:
            wait_for(lambda: state_of(t.pid) == "Z")
            for options in ((), ("-x",)):
                self.captured(t.pid, *options)
            before = t.ask("beats[0]")
            wait_for(lambda: t.ask("beats[0]") > before, what="a beat")

    def test_gil_held_by_c_code(self):
        code = "ready()\nhold_gil()\n"
        for python in some_interpreters():
            with self.subTest(python=python.name), Target(python, code) as t:
                t.await_call("poll")
                result = self.captured(t.pid, "-x")
                self.assertFalse(result["consistent"])
                self.assertTrue(t.alive)

    def test_all_objects_frozen(self):
        """After gc.freeze() the collector may have nothing in its other lists."""
        code = ("import gc, os\ngc.disable()\nfd = _r.fileno()\nready()\ngc.freeze()\n"
                "os.read(fd, 1)\n")
        for python in some_interpreters():
            if python.version < (3, 7):
                continue
            with self.subTest(python=python.name), Target(python, code) as t:
                t.await_call("read")
                self.captured(t.pid)
                self.assertTrue(t.alive)

    def test_no_malloc_arena_is_made(self):
        """A thread that has one is borrowed, rather than one whose first malloc it would
        be; and nobody's epoll_wait is interrupted for that."""
        with Program("torture", "bare", 4) as p:
            wait_for(lambda: state_of(p.pid) == "S", what="epoll_wait")
            before = ProcState(p.pid)
            for _ in range(3):
                self.captured(p.pid, "-a")
            self.assert_untouched(before)
            self.assertRegex(p.finish(), "^ok ")

    def test_locks_that_other_threads_hold(self):
        """They did not come along into the copy, which opens the locks for itself."""
        with Program("torture", "locks") as p:
            for _ in range(3):
                self.captured(p.pid, "-a", "-x", "-o")
            self.assertRegex(p.finish(), "^ok ")

    def test_loader_lock_held(self):
        with open(self.path("slow.c"), "w") as f:
            f.write("#include <unistd.h>\n__attribute__((constructor)) static void f(void)"
                    "{usleep(5000000);}\n")
        if subprocess.call(["cc", "-shared", "-fPIC", "-o", self.path("slow.so"),
                            self.path("slow.c")]):
            self.skipTest("no compiler")
        code = "import ctypes, sys\nready()\nctypes.CDLL(%r)\nserve()\n" % self.path("slow.so")
        with Target(newest(), code) as t:
            t.await_call("sleep")
            self.refused(t.pid, NO_SAFE_POINT, "dynamic loader", "-s", 300)
            self.captured(t.pid, "-x", "-s", 300)
            self.assertEqual(t.ask("1 + 1"), 2)

    def test_deleted_program(self):
        copy = self.path("python-copy")
        shutil.copy(os.path.realpath(debian().path), copy)
        python = Python(copy)
        with Target(python, IDLE) as t:
            os.unlink(copy)
            before = ProcState(t.pid)
            self.captured(t.pid)
            self.captured(t.pid, "-x")
            self.assert_untouched(before)

    def test_no_writable_and_executable_memory(self):
        """PR_SET_MDWE, as systemd's MemoryDenyWriteExecute= sets it."""
        code = ("import ctypes\nl = ctypes.CDLL(None)\n"
                "mdwe = l.prctl(65, 1, 0, 0, 0)\nready(mdwe)\nserve()\n")
        with Target(newest(), code) as t:
            if t.greeting:
                self.skipTest("the kernel has no PR_SET_MDWE")
            before = ProcState(t.pid)
            self.captured(t.pid)
            self.captured(t.pid, "-x")
            self.assert_untouched(before)

    def test_few_descriptors(self):
        code = ("import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))\n" +
                IDLE)
        with Target(newest(), code) as t:
            before = ProcState(t.pid)
            self.captured(t.pid)
            self.assert_untouched(before)

    def test_target_that_ends_or_execs_meanwhile(self):
        code = r'''
import os, sys, threading, time
delay = float(sys.argv[1])
def end():
    time.sleep(delay)
    if sys.argv[2] == "exit":
        os._exit(0)
    os.execv("/bin/sleep", ["sleep", "5"])
ready()
threading.Thread(target=end).start()
while True:
    time.sleep(0.001)
'''
        for how in ("exit", "exec"):
            for i in range(40 if TORTURE else 8):
                with Target(newest(), code, args=(str(0.03 + i * 0.0015), how)) as t:
                    time.sleep(0.02)
                    _, rounds, log = drive(t.pid, "-n", 3, *(("-x",) if i % 2 else ()))
                    self.assertEqual(len(rounds), 3, log)
                    for r in rounds:
                        self.assertIn(r["code"], (0, GONE, NOT_PYTHON, 11, 8, 9), r)
                    if how == "exec" and t.alive:
                        with open("/proc/%d/status" % t.pid) as f:
                            self.assertIn("\nTracerPid:\t0\n", f.read())


class Musl(StatesCase):
    """Another C library, which waits for everything by one kind of futex, is its own
    dynamic loader, and never unloads a library."""
    WAITS = r'''
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static void *wait_long(void *arg)
{
    if (arg)
        sem_wait(&semaphore);
    pthread_mutex_lock(&mutex);
    pthread_cond_wait(&condition, &mutex);
    return NULL;
}
int main(void)
{
    pthread_t one, other;
    sem_init(&semaphore, 0, 0);
    pthread_create(&one, NULL, wait_long, NULL);
    pthread_create(&other, NULL, wait_long, &semaphore);
    puts("ready");
    fflush(stdout);
    return pthread_join(one, NULL);
}'''
    LOCKED = r'''
#include <pthread.h>
#include <stdio.h>
int main(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    puts("ready");
    fflush(stdout);
    return pthread_mutex_lock(&mutex);
}'''

    def built(self, name, *arguments, text=None):
        if not shutil.which("musl-gcc"):
            self.skipTest("no musl-gcc")
        subprocess.run(["musl-gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-o", self.path(name),
                        *arguments], stderr=subprocess.DEVNULL, input=text, check=True)
        return self.path(name)

    def torture(self):
        return self.built("torture-musl", *(os.path.join(HERE, os.pardir, "targets", name)
                                            for name in ("torture.c", "torture_registers.c")))

    def stays(self, result):
        self.assertTrue(result["injected"] and result["done"], result)
        self.assertRegex(result["error"], "musl, never unloads")

    def test_another_c_library(self):
        program = self.torture()
        for mode in (("idle", 4), ("malloc", 4)):
            with self.subTest(mode=mode), Program(program, *mode) as p:
                _, (first, second), _ = drive(p.pid, "-a", "-n", 2)
                self.stays(first)
                self.stays(second)
                self.assertTrue(second["reused"])
                self.captured(p.pid, "-a", "-x")
                self.assertRegex(p.finish(), "^ok ")
        with Program(program, "idle", 4) as p:
            for options in (("-a",), ("-a", "-x")):     # the real agent loads there, too
                _, (r,), _ = drive(p.pid, *options, agent=AGENT)
                self.assertTrue(r["injected"] and r["hello"], r)
            self.assertIn("has not loaded CPython", r["error"])
            self.assertRegex(p.finish(), "^ok ")

    def waiting(self, text):
        program = self.built("waits", "-xc", "-", text=text.encode())
        p = subprocess.Popen([program], stdout=subprocess.PIPE)
        self.addCleanup(p.stdout.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        self.assertEqual(p.stdout.readline(), b"ready\n")
        return p.pid

    def test_all_threads_wait(self):
        """For a condition, a semaphore, a thread's end: a thread is found there."""
        _, (first, second), _ = drive(self.waiting(self.WAITS), "-a", "-n", 2)
        self.stays(first)
        self.stays(second)

    def test_a_lock_is_left_alone(self):
        """What waits for a mutex may wait for one of the C library's."""
        self.refused(self.waiting(self.LOCKED), STATE, "wait for a lock", "-a")


class Seccomp(StatesCase):
    """Filters that kill, and filters that refuse."""
    CODE = r'''
import ctypes, struct, sys
def ins(code, jt, jf, k):
    return struct.pack("HBBI", code, jt, jf, k)
number, action = int(sys.argv[1]), int(sys.argv[2], 0)
program = [ins(0x20, 0, 0, 0), ins(0x15, 0, 1, number), ins(6, 0, 0, action),
           ins(6, 0, 0, 0x7fff0000)]
code = ctypes.create_string_buffer(b"".join(program))
head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, head, 0, 0) == 0
ready()
serve()
'''
    KILL, ERRNO = "0x80000000", "0x50001"
    MEMFD, SOCKETPAIR, CLONE = "319", "53", "56"

    def setUp(self):
        super().setUp()
        if os.uname().machine != "x86_64":
            self.skipTest("system call numbers of x86-64")

    @unittest.skipUnless(ROOT_USER, "reading a filter needs CAP_SYS_ADMIN")
    def test_filter_that_kills(self):
        with Target(newest(), self.CODE, args=(self.MEMFD, self.KILL)) as t:
            before = ProcState(t.pid)
            self.refused(t.pid, STATE, r"ends it at a call that it forbids, "
                         r"the first being memfd_create \(319\)")
            self.captured(t.pid, "-x")
            self.assert_untouched(before)
            self.assertEqual(t.ask("1 + 1"), 2)

    @unittest.skipUnless(ROOT_USER, "reading a filter needs CAP_SYS_ADMIN")
    def test_filter_that_kills_clone(self):
        with Target(newest(), self.CODE, args=(self.CLONE, self.KILL)) as t:
            self.refused(t.pid, STATE, r"ends it at a call that it forbids, "
                         r"the first being clone \(56\)")
            self.captured(t.pid, "-x")
            self.assertEqual(t.ask("1 + 1"), 2)

    def test_filter_that_refuses(self):
        if not ROOT_USER:
            self.skipTest("reading a filter needs CAP_SYS_ADMIN")
        for number in (self.MEMFD, self.SOCKETPAIR):
            with self.subTest(number=number), \
                    Target(newest(), self.CODE, args=(number, self.ERRNO)) as t:
                before = ProcState(t.pid)
                self.captured(t.pid)
                self.captured(t.pid, "-w")      # the pipes carry a cancel, too
                self.assert_untouched(before)

    @unittest.skipUnless(ROOT_USER, "needs root to become others")
    def test_filter_that_cannot_be_read(self):
        with Target(debian(), self.CODE, args=(self.MEMFD, self.KILL),
                    prefix=NOBODY) as t:
            self.refused(t.pid, PERMISSION, "seccomp filter that can't be read", prefix=NOBODY)
            self.assertEqual(t.ask("1 + 1"), 2)


@unittest.skipUnless(ROOT_USER, "needs root to make namespaces")
class Containers(StatesCase):
    def inner(self, t):
        """The process that unshare --fork made."""
        pid = t.pid
        while True:
            with open("/proc/%d/comm" % pid) as f:
                if f.read().startswith("python"):
                    return pid
            children = ProcState(pid).children
            self.assertEqual(len(children), 1)
            pid = int(children[0])

    def both_ways(self, t, *options, prefix=()):
        pid = self.inner(t)
        before = ProcState(pid)
        self.captured(pid, *options, prefix=prefix)
        self.captured(pid, "-x", *options, prefix=prefix)
        self.assert_untouched(before)
        self.assertEqual(t.ask("1 + 1"), 2)

    def make_root(self, proc):
        """A shell line that builds a root in a new mount namespace and enters it."""
        root = self.path("root")
        os.mkdir(root, 0o755)
        os.chmod(self.tmp, 0o755)
        lines = ["set -e", "mount --make-rprivate /", "mount -t tmpfs none %s" % root]
        own = os.path.realpath(newest().path).split("/")[1]
        tops = ["usr", "lib", "lib64", "bin", "tmp"]
        tops += [own] if own not in tops else []
        for top in tops:
            if os.path.isdir("/" + top) and top != "tmp":
                lines.append("mkdir -p %s/%s; mount --rbind /%s %s/%s" %
                             (root, top, top, root, top))
        lines.append("mkdir -p %s/tmp; chmod 1777 %s/tmp" % (root, root))
        if proc:
            lines.append("mkdir %s/proc; mount -t proc none %s/proc" % (root, root))
        return root, lines

    def chrooted(self, extra=(), proc=False):
        root, lines = self.make_root(proc)
        script = self.path("enter.sh")
        # the test's own directory (with the target's script) stays visible
        lines += list(extra)
        lines += ["d=$(dirname $2); mkdir -p %s$d; cp $2 %s$2" % (root, root)]
        lines += ["mount -o remount,ro %s" % root if "ro" in extra else "true"]
        lines += ["exec chroot %s \"$@\"" % root]
        with open(script, "w") as f:
            f.write("\n".join(l for l in lines if l != "ro") + "\n")
        return ["unshare", "-m", "sh", script]

    def test_all_namespaces(self):
        with Target(newest(), IDLE, prefix=["unshare", "-Urmpfni", "--mount-proc"]) as t:
            self.both_ways(t)

    def test_pid_namespace_with_the_outer_proc(self):
        """/proc of the outer namespace: the target's own number means another there."""
        with Target(newest(), IDLE, prefix=["unshare", "-pf"]) as t:
            self.both_ways(t)

    def test_worker_that_is_slow_to_end(self):
        """Its code and stack stay until it is gone, whatever its number: in a new pid
        namespace that has a single digit."""
        for prefix in ([], ["unshare", "-pf"]):
            with self.subTest(prefix=prefix), Target(newest(), IDLE, prefix=prefix) as t:
                pid = self.inner(t)
                before = ProcState(pid)
                for _ in range(2):
                    self.captured(pid, "-l")
                    self.assertEqual(t.ask("1 + 1"), 2)
                self.assert_untouched(before)

    def test_owner_of_a_user_namespace(self):
        with Target(debian(), IDLE,
                    prefix=NOBODY + ["unshare", "-Urmpfn", "--mount-proc"]) as t:
            os.chmod(t.dir, 0o755)
            self.both_ways(t, prefix=NOBODY)

    def test_own_process_of_an_ordinary_user(self):
        with Target(debian(), IDLE, prefix=NOBODY) as t:
            self.both_ways(t, prefix=NOBODY)

    def test_chroot_without_proc(self):
        with Target(newest(), IDLE, prefix=self.chrooted()) as t:
            self.both_ways(t)

    def test_chroot_with_proc_and_read_only_root(self):
        with Target(newest(), IDLE, prefix=self.chrooted(extra=("ro",), proc=True)) as t:
            self.both_ways(t)

    def test_chroot_without_proc_and_noexec_tmp(self):
        root = self.path("root")
        extra = ["mkdir -p %s/dev/shm %s/var/tmp" % (root, root),
                 "mount -t tmpfs -o noexec none %s/tmp" % root,
                 "mount -t tmpfs none %s/dev/shm" % root]
        with Target(newest(), IDLE, prefix=self.chrooted(extra)) as t:
            self.both_ways(t)
            left = [n for d in ("tmp", "var/tmp", "dev/shm", "") for n in os.listdir(
                "/proc/%d/root/%s" % (self.inner(t), d)) if "pymem" in n and "agent" in n]
            self.assertEqual(left, [])

    def test_chroot_with_no_place_at_all(self):
        root = self.path("root")
        extra = ["mount -t tmpfs -o noexec none %s/tmp" % root, "ro"]
        with Target(newest(), IDLE, prefix=self.chrooted(extra)) as t:
            pid = self.inner(t)
            before = ProcState(pid)
            self.refused(pid, CALL, "no directory of its root can hold")
            self.assert_untouched(before)

    def test_memfd_noexec(self):
        path = "/proc/sys/vm/memfd_noexec"
        if not os.path.exists(path):
            self.skipTest("the kernel has no vm.memfd_noexec")
        # the setting belongs to the pid namespace (kernel 6.3 and later)
        line = "echo 2 > %s && exec \"$@\"" % path
        with Target(newest(), "import sys\nready(open('%s').read())\nserve()\n" % path,
                    prefix=["unshare", "-mpf", "--mount-proc", "sh", "-c", line, "sh"]) as t:
            self.assertEqual(t.greeting.strip(), "2")
            self.both_ways(t)


if __name__ == "__main__":
    main()
