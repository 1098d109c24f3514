# SPDX-License-Identifier: MIT
"""Roots of Debian's releases, as bare as debootstrap makes them, with python3.

    own_mounts()              first thing in a test's file: mounts are seen by it alone
    with Root("trixie") as root:
        root.run("apt-get", "install", ...)

A root is made once and kept (PYMEM_ROOTS, default: pymem-roots in the user's cache
folder); a test sees a layer above it, which goes with the test."""
from harness import *

ROOTS = os.environ.get("PYMEM_ROOTS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "pymem-roots")


def own_mounts():
    """Runs the test again in a mount namespace of its own: what it mounts ends with it."""
    if os.geteuid() != 0:
        skip_all("debootstrap, chroot and mount need root")
    if not shutil.which("debootstrap"):
        skip_all("debootstrap is not installed")
    if os.environ.get("PYMEM_TEST_OWN_MOUNTS") != str(os.getpid()):
        os.environ["PYMEM_TEST_OWN_MOUNTS"] = str(os.getpid())
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private",
                              sys.executable, "-B"] + sys.argv)


def made(suite):
    """The folder of the kept root; made first where it isn't there."""
    place = os.path.join(ROOTS, suite)
    if not os.path.exists(place):
        os.makedirs(ROOTS, exist_ok=True)
        making = tempfile.mkdtemp(prefix=".making-", dir=ROOTS)
        done = run(["debootstrap", "--variant=minbase", "--include=python3", suite, making],
                   timeout=3000)
        if done.returncode != 0:
            shutil.rmtree(making, True)
            raise unittest.SkipTest("debootstrap of %s failed: %s"
                                    % (suite, done.stdout.decode()[-300:]))
        os.chmod(making, 0o755)
        os.rename(making, place)
    return place


class Root:
    """A layer above a kept root, with /proc and /dev; names resolve as outside."""

    def __init__(self, suite):
        self.suite = suite

    def __enter__(self):
        below = made(self.suite)
        self.layer = tempfile.mkdtemp(prefix="pymem-layer-")
        os.chmod(self.layer, 0o755)
        self.mount("tmpfs", "-t", "tmpfs", "-o", "mode=755", to=self.layer)
        for name in ("upper", "work", "root"):
            os.mkdir(os.path.join(self.layer, name))
        self.path = os.path.join(self.layer, "root")
        self.mount("overlay", "-t", "overlay", "-o", "lowerdir=%s,upperdir=%s/upper,workdir=%s/work"
                   % (below, self.layer, self.layer), to=self.path)
        self.mount("/proc", "--rbind", to=self.path + "/proc")
        self.mount("/dev", "--rbind", to=self.path + "/dev")
        shutil.copy("/etc/resolv.conf", self.path + "/etc/resolv.conf")
        return self

    @staticmethod
    def mount(what, *options, to):
        subprocess.run(["mount", *options, what, to], check=True)

    def __exit__(self, *exc):
        subprocess.run(["umount", "-R", "-l", self.layer], check=False)
        os.rmdir(self.layer)

    def run(self, *argv, env=None, timeout=1200):
        """The finished command, run inside: as harness.run."""
        return run(["chroot", self.path] + [str(a) for a in argv], timeout=timeout,
                   env=dict({"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                             "DEBIAN_FRONTEND": "noninteractive"}, **(env or {})))


class RootTarget(Target):
    """A target inside a root."""

    def __init__(self, root, code, python="/usr/bin/python3", **more):
        self.root = root
        super().__init__(python, code, prefix=["chroot", root.path], **more)

    def place(self):
        os.makedirs(self.root.path + self.dir)
        shutil.copy(self.script, self.root.path + self.script)
