# ctest: labels=e2e cost=80
# SPDX-License-Identifier: MIT
"""What is built for aarch64 on another machine: agent, loader and formats compile with no
warning, and their unit tests pass under qemu's emulation of single programs.  That knows no
ptrace and fakes /proc: what needs those is named here, and runs, with the rest, on the whole
machine of tests/run --arm64."""
import fcntl
import platform
import re

from harness import *

FOLDER = os.path.join(ROOT, "tests", "arm64")
BUILT = os.path.join(os.environ.get("PYMEM_BUILD") or os.path.join(ROOT, "build"), "arm64")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                     "pymem-sysroot")

# What qemu's emulation of single programs has not, or not as the kernel.
NOT_EMULATED = {
    "loader_target": "reads the memory of processes, and their true /proc",
    "loader_foreign": "opens with openat2(2) what a link leads to",
    "agent_pages": "asks /proc/self/pagemap",
    "agent_relay": "starts a thread by clone(2) with other flags than a C library's",
}
# Minutes under emulation, and nothing of the processor in it: tests/run --arm64.
TOO_LONG = ("formats_damage", "formats_roundtrip")


def said(done):
    return done.stdout.decode("utf-8", "replace")[-3000:]


class Arm64(Case):
    @classmethod
    def setUpClass(cls):
        cls.qemu = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
        if not shutil.which("aarch64-linux-gnu-gcc") or not cls.qemu:
            raise unittest.SkipTest("no gcc-aarch64-linux-gnu, or no qemu-user")
        cls.sysroot = cls.make_sysroot()
        cls.build()

    @staticmethod
    def make_sysroot():
        """The folder of arm64 libraries, made once; two builds may want it at a time."""
        os.makedirs(CACHE, exist_ok=True)
        with open(os.path.join(CACHE, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            place = os.path.join(CACHE, "arm64")
            done = run([os.path.join(FOLDER, "sysroot"), place], timeout=1500)
            if done.returncode:
                raise unittest.SkipTest(done.stderr.decode()[-300:].strip())
        return place

    @classmethod
    def build(cls):
        """Quickly: not optimised.  tests/run --arm64 builds all of it as it is shipped."""
        configured = subprocess.run(
            ["cmake", "-S", ROOT, "-B", BUILT, "-G", "Ninja",
             "--toolchain", os.path.join(ROOT, ".ci", "aarch64.cmake"),
             "-DPYMEM_SYSROOT=" + cls.sysroot, "-DCMAKE_BUILD_TYPE=Debug",
             "-DCMAKE_C_FLAGS_DEBUG=-O0", "-DBUILD_TESTING=ON", "-DPYMEM_FAULTS=ON",
             "-DPYMEM_WERROR=ON"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if configured.returncode:
            raise AssertionError("cmake:\n" + said(configured))
        built = subprocess.run(
            ["ninja", "-C", BUILT, "-j%d" % len(os.sched_getaffinity(0)), "pymemagent",
             "pymem-load"] + ["unit_" + name for name in cls.units()],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if built.returncode:
            raise AssertionError("ninja:\n" + said(built))

    @classmethod
    def units(cls):
        """Names of the unit tests that are built here: those of the screens and of the
        analyses know nothing of a processor."""
        done = run(["ninja", "-C", BUILT, "-t", "targets", "all"])
        names = sorted({line.split(":")[0][5:] for line in done.stdout.decode().splitlines()
                        if line.startswith(("unit_agent", "unit_loader", "unit_formats"))})
        return [n for n in names if n not in TOO_LONG]

    def emulated(self, *argv, timeout=600):
        return subprocess.run([self.qemu, "-L", self.sysroot] + [str(a) for a in argv],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout)

    def test_units(self):
        names = self.units()
        self.assertGreater(len(names), 20)
        self.assertEqual(set(), set(NOT_EMULATED) - set(names))
        for name in names:
            if name in NOT_EMULATED:
                print("  not under qemu-user: unit.%s %s" % (name, NOT_EMULATED[name]))
                continue
            with self.subTest(unit=name):
                done = self.emulated(os.path.join(BUILT, "bin", "unit_" + name))
                self.assertEqual(0, done.returncode, said(done))

    def test_programs(self):
        """They are for that processor, start there, and refuse this one's processes."""
        for program in ("bin/pymem-load", "lib/libpymemagent.so"):
            with open(os.path.join(BUILT, program), "rb") as f:
                self.assertEqual(183, int.from_bytes(f.read(20)[18:], "little"), program)
        needed = run(["readelf", "-d", os.path.join(BUILT, "lib", "libpymemagent.so")])
        self.assertEqual([b"libc.so.6"], re.findall(rb"NEEDED.*\[(.*)\]", needed.stdout),
                         "a process with another C library could not load it")
        done = self.emulated(os.path.join(BUILT, "bin", "pymem-load"), "--version")
        self.assertEqual(0, done.returncode, said(done))
        if platform.machine() == "aarch64":
            return
        with Target(sys.executable, "ready()\nserve()\n") as t:
            done = self.emulated(os.path.join(BUILT, "bin", "pymem-load"), "-f",
                                 self.path("s"), t.pid)
            self.assertNotEqual(0, done.returncode)
            self.assertRegex(said(done), "an x86-64 pymem-load is needed")
            self.assertTrue(t.alive)


if __name__ == "__main__":
    main()
