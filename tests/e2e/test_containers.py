# ctest: labels=e2e;ptrace cost=58
# SPDX-License-Identifier: MIT
"""The README's recipes for containers: each as the kernel sees it, with the namespaces,
capabilities, filters and roots that the engine would make, without the engine.

What an engine gives a process:  Docker's default capabilities; those of a pod that drops
all and adds one; the seccomp profile by which a container is confined (filters/)."""
from harness import *
from injection import has_faults
from corecase import descendants
from preloadcase import MemoryGroup, fact_of, is_complete, preload

if os.geteuid() != 0:
    skip_all("needs root to make namespaces and to give up capabilities")

LAUNCH = os.path.join(BUILD, "tests", "targets", "seccomp_launch")
FILTERS = os.path.join(HERE, "filters")
if BUILD != os.environ.get("PYMEM_BUILD", BUILD):   # closed to others, and so are these
    FILTERS = shutil.copytree(FILTERS, os.path.join(BUILD, "filters"))
SYSTEM_PYTHON = "/usr/bin/python3"
SERVICE = "heap = [{i: str(i)} for i in range(20000)]\nready(sys.version_info[:2])\nserve()\n"
APP = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
# what the profiles add with CAP_SYS_PTRACE
PTRACE_CALLS = ["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv",
                "process_vm_writev", "ptrace"]
DOCKER = ("chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap",
          "net_bind_service", "net_raw", "sys_chroot", "mknod", "audit_write", "setfcap")


def root_with(*capabilities):
    """Root of a container that has these capabilities only."""
    return ["setpriv", "--inh-caps=-all",
            "--bounding-set=-all" + "".join(",+" + c for c in capabilities)]


def user_with(*capabilities):
    """Another user, with these capabilities only: as by file capabilities or systemd's
    AmbientCapabilities=."""
    more = "".join(",+" + c for c in capabilities)
    return ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups",
            "--inh-caps=-all" + more, "--ambient-caps=-all" + more, "--bounding-set=-all" + more]


def confined(profile, *more_calls):
    """Under the engine's default profile, with what a capability adds to it."""
    more = "".join(",allow:" + c for c in more_calls)
    return [LAUNCH, "errno%s,allow:@%s" % (more, os.path.join(FILTERS, profile)), "--"]


class ContainersCase(Case):
    def setUp(self):
        super().setUp()
        os.chmod(self.tmp, 0o777)

    def inner(self, t):
        pid = t.pid
        while True:
            children = ProcState(pid).children
            with open("/proc/%d/comm" % pid) as f:
                if f.read().startswith("python") and not children:
                    return pid
            pid = int(children[0])

    def load(self, prefix, *args, **more):
        # where no folder is closed to anybody
        return run([*prefix, LOAD, *args], cwd=self.tmp, timeout=600, **more)

    def captured(self, pid, prefix, *args, name="c.pymem", target=None):
        path = self.path(name)
        before = ProcState(pid)
        done = self.load(prefix, "-q", "-f", path, *args, str(target or pid))
        self.assertEqual(done.returncode, 0, (prefix, args, done.stderr.decode()))
        self.assert_untouched(before)
        rows = json.loads(run([VIEW, path, "--report", "types", "--type", "builtins.dict",
                               "--format", "json"]).stdout)
        self.assertGreaterEqual(rows["processes"][0]["rows"][0]["count"], 20000)
        os.unlink(path)

    def refused(self, pid, prefix, *words, target=None):
        before = ProcState(pid)
        done = self.load(prefix, "-q", "-f", self.path("r.pymem"), str(target or pid))
        said = done.stderr.decode()
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, said)
        self.assert_untouched(before)

    def service(self, profile="docker", prefix=(), user=True):
        return Target(SYSTEM_PYTHON, SERVICE,
                      prefix=["unshare", "-mpfiu", "--mount-proc", *prefix,
                              *confined(profile), *(APP if user else ())])

    def cgroup(self):
        """A control group like a container's own, for what is put there."""
        for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
            if os.path.exists(os.path.join(path, "cgroup.procs")):
                own = tempfile.mkdtemp(prefix="pymem-test-", dir=path)
                self.addCleanup(os.rmdir, own)
                return own
        self.skipTest("no control group can be made here")

    def join(self, t):
        """`--pid=container:NAME`, with a group and a read-only root of its own."""
        script = ("set -e; echo $$ >%s/cgroup.procs; mount --make-rprivate /; "
                  "mount -t proc none /proc; mount --bind %s %s; "
                  "mount -o remount,ro,bind /; exec \"$@\"" %
                  (self.cgroup(), self.tmp, self.tmp))
        return ["nsenter", "--target", str(self.inner(t)), "--pid", "unshare", "-m",
                "sh", "-c", script, "sh"]

    def number_inside(self, t):
        with open("/proc/%d/status" % self.inner(t)) as f:
            return next(l for l in f if l.startswith("NSpid:")).split()[-1]


class PtraceAlone(ContainersCase):
    """CAP_SYS_PTRACE is the one capability that is needed."""

    def test_each_way(self):
        with Target(some_interpreters(1)[0], SERVICE) as t:
            for args in ((), ("--method=external",)):
                with self.subTest(args=args):
                    self.captured(t.pid, user_with("sys_ptrace"), *args)
            self.refused(t.pid, user_with(), "belongs to user 0 and you are user 65533")

    def test_root_without_the_rest(self):
        """A pod that drops ALL and adds SYS_PTRACE, its app another user, not dumpable."""
        code = "import ctypes\nctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n" + SERVICE
        with Target(SYSTEM_PYTHON, code, prefix=APP) as t:
            self.captured(t.pid, root_with("sys_ptrace"))
            self.refused(t.pid, root_with(), "belongs to user 65534 and you are user 0")

    def test_kept_agent_and_orphans(self):
        """What a killed pymem-load left is found and taken away without searching fd/."""
        with Target(SYSTEM_PYTHON, SERVICE) as t:
            before = ProcState(t.pid)
            if has_faults():
                for point in ("run-done", "injected"):
                    killed = self.load(user_with("sys_ptrace"), "-q", "-f",
                                       self.path("k.pymem"), str(t.pid),
                                       env=dict(os.environ, PYMEM_FAULT="kill:" + point))
                    self.assertEqual(killed.returncode, -signal.SIGKILL, point)
            self.assertEqual(
                self.load(user_with("sys_ptrace"), "-q", "--every=100ms", "--count=2", "-f",
                          self.path("e.pymem"), str(t.pid)).stderr, b"")
            self.assert_untouched(before)

    def test_file_capability(self):
        """`setcap cap_sys_ptrace=ep pymem-load`."""
        if not shutil.which("setcap"):
            self.skipTest("setcap is not installed")
        os.makedirs(self.path("bin"))
        os.makedirs(self.path("lib"))
        for source, folder in ((LOAD, "bin"), (AGENT, "lib")):
            shutil.copy(source, self.path(folder))
        loader = self.path("bin/pymem-load")
        if run(["setcap", "cap_sys_ptrace=ep", loader]).returncode:
            self.skipTest("this file system has no capabilities of files")
        with Target(SYSTEM_PYTHON, SERVICE) as t:
            before = ProcState(t.pid)
            for args in ((), ("--method=external",)):
                path = self.path("f.pymem")
                done = run(APP + [loader, "-q", "-f", path, *args, str(t.pid)], cwd=self.tmp)
                self.assertEqual(done.returncode, 0, done.stderr.decode())
                self.assertEqual(os.stat(path).st_uid, 65534)
                os.unlink(path)
            self.assert_untouched(before)


class Docker(ContainersCase):
    """`docker run`: namespaces, the profile, the usual capabilities."""

    def test_from_the_host(self):
        """sudo pymem-load "$(docker inspect --format '{{.State.Pid}}' web)"."""
        for profile in ("docker", "containerd"):
            with self.subTest(profile=profile), self.service(profile) as t:
                self.captured(self.inner(t), [])

    def test_beside_it(self):
        """docker run --pid=container:web --cap-add=SYS_PTRACE: enough where the service has
        no profile; else also --cap-add=SYS_ADMIN --security-opt=seccomp=unconfined."""
        free = Target(SYSTEM_PYTHON, SERVICE,
                      prefix=["unshare", "-mpfiu", "--mount-proc", *APP])
        ptrace = root_with("sys_ptrace", *DOCKER)
        with free as t:
            who = [*self.join(t), *confined("docker", *PTRACE_CALLS), *ptrace]
            self.captured(self.inner(t), who, target=self.number_inside(t))
        with self.service() as t:
            who = [*self.join(t), *confined("docker", *PTRACE_CALLS), *ptrace]
            self.refused(self.inner(t), who, "CAP_SYS_ADMIN", target=self.number_inside(t))
            who = [*self.join(t), *root_with("sys_ptrace", "sys_admin", *DOCKER)]
            self.captured(self.inner(t), who, target=self.number_inside(t))

    def test_in_it(self):
        """docker exec, as the service's user: no capability, the same profile."""
        shell = ("%s -S -c 'h = [{i: str(i)} for i in range(20000)]; import time; "
                 "print(flush=True); time.sleep(1000)' >ready & "
                 "while ! [ -s ready ]; do sleep 0.05; done; "
                 "%s -q -f in.pymem $!; got=$?; kill -TERM $!; wait $!; exit $got" %
                 (SYSTEM_PYTHON, LOAD))
        for profile in ("docker", "containerd"):
            prefix = ["unshare", "-mpfiu", "--mount-proc", *APP, *confined(profile)]
            with self.subTest(profile=profile):
                done = run(prefix + ["sh", "-c", shell], cwd=self.tmp)
                self.assertEqual(done.returncode, 0, done.stderr.decode())
                self.assertGreater(os.path.getsize(self.path("in.pymem")), 10000)
                os.unlink(self.path("in.pymem"))
                os.unlink(self.path("ready"))


class Kubernetes(ContainersCase):
    """Pods: what a debug container, a sidecar and the node have."""

    def test_sidecar(self):
        """shareProcessNamespace, and drop: [ALL], add: [SYS_PTRACE]; or the app's user."""
        pod = ["unshare", "-mpfiu", "--mount-proc", *APP]
        with Target(SYSTEM_PYTHON, SERVICE, prefix=pod) as t:
            pid, number = self.inner(t), self.number_inside(t)
            self.captured(pid, [*self.join(t), *root_with("sys_ptrace")], target=number)
            try:
                with open("/proc/sys/kernel/yama/ptrace_scope") as f:
                    free = f.read().strip() == "0"
            except OSError:
                free = True
            if free:
                self.captured(pid, [*self.join(t), *APP], target=number)

    def test_sidecar_that_listens(self):
        """An emptyDir, a sidecar that nobody looks at, an app that is killed for its memory:
        two containers, the app's with a control group of its own."""
        shared = self.path("snapshots")
        os.mkdir(shared)
        os.chown(shared, 65534, 65534)
        place, group = shared + "/pymem.sock", MemoryGroup(200 << 20)
        self.addCleanup(group.remove)
        if not group.usable:
            self.skipTest("no control group with a memory limit can be made")
        box = ["unshare", "-mpfiu", "--mount-proc", *confined("docker"), *APP]
        sidecar = subprocess.Popen([*box, VIEW, "--listen", place, "-o", shared],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(sidecar.stdout.close)
        self.addCleanup(sidecar.wait)
        self.addCleanup(lambda: [os.kill(p, signal.SIGKILL) for p in
                                 [*descendants(sidecar.pid), sidecar.pid]])
        self.assertIn(b"listening", sidecar.stdout.readline())
        hog = "hog = []\nwhile True: hog.append({'a': [1, 2, 3], 'n': len(hog)})\n"
        env = preload(PYMEM_SOCKET=place, PYMEM_LIMIT="75%", PYMEM_PRESSURE=1,
                      PYMEM_SNAPSHOTS=1)
        app = run([*box, "env", *("%s=%s" % (k, v) for k, v in env.items()
                                  if k == "LD_PRELOAD" or k.startswith("PYMEM_")),
                   SYSTEM_PYTHON, "-c", hog], preexec_fn=group.enter)
        self.assertIn(app.returncode, (1, 128 + signal.SIGKILL), app.stderr) # unshare's
        self.assertIn(b" objects, ", sidecar.stdout.readline())
        while b"written to" not in sidecar.stdout.readline():
            self.assertIsNone(sidecar.poll())
        path, = [os.path.join(shared, n) for n in os.listdir(shared) if n.endswith(".pymem")]
        with open(path, "rb") as f:
            self.assertTrue(is_complete(f.read()))
        # whichever comes first, on a busy machine
        self.assertIn(fact_of(path, "trigger"),
                      ("memory limit", "memory.usage_in_bytes", "memory.events"))

    def test_debug_container(self):
        """kubectl debug --target --profile=general; =sysadmin where RuntimeDefault is on."""
        ptrace = root_with("sys_ptrace", *DOCKER)
        with self.service("containerd") as t:
            number = self.number_inside(t)
            self.refused(self.inner(t), [*self.join(t), *confined("containerd", *PTRACE_CALLS),
                                         *ptrace], "CAP_SYS_ADMIN", target=number)
            self.captured(self.inner(t), self.join(t), target=number)


class Services(ContainersCase):
    def test_workers_of_gunicorn(self):
        """sudo pymem-load $(pgrep -f gunicorn): all of them by one command."""
        if not shutil.which("gunicorn"):
            self.skipTest("gunicorn is not installed")
        app = ("heap = [{i: str(i)} for i in range(20000)]\n"
               "def app(environ, start):\n    start('200 OK', [])\n    return [b'x']\n")
        with open(self.path("web.py"), "w") as f:
            f.write(app)
        server = subprocess.Popen(["gunicorn", "--preload", "--workers=2", "--chdir", self.tmp,
                                   "--bind=unix:" + self.path("socket"), "web:app"],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        try:
            wait_for(lambda: len(ProcState(server.pid).children) == 2, what="two workers")
            pids = [str(server.pid), *ProcState(server.pid).children]
            done = self.load([], "-q", "-f", self.path("all.pymem"), *pids)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertEqual(ProcState(server.pid).children, pids[1:])
            seen = json.loads(run([VIEW, self.path("all.pymem"), "--report", "overview",
                                   "--format", "json"]).stdout)
            self.assertEqual(len(seen["processes"]), 3)
        finally:
            server.terminate()
            server.wait(timeout=300)

    def test_unit_with_a_sandbox(self):
        """systemd: NoNewPrivileges, ProtectSystem=strict, SystemCallFilter=@system-service
        with an error number, AmbientCapabilities=CAP_SYS_PTRACE for pymem's own unit."""
        sandbox = ["unshare", "-m", "sh", "-c", "mount -o remount,ro,bind / && exec \"$@\"", "sh",
                   *APP, "--no-new-privs"]
        with Target(SYSTEM_PYTHON, SERVICE,
                    prefix=[*sandbox, *confined("system-service")]) as t:
            self.captured(t.pid, [])
        with Target(SYSTEM_PYTHON, SERVICE, prefix=sandbox) as t:
            self.captured(t.pid, user_with("sys_ptrace"))


if __name__ == "__main__":
    main()
