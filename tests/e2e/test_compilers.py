# ctest: labels=e2e;ptrace;slow timeout=36000
# SPDX-License-Identifier: MIT
"""What other compilers and other flags make of the sources: each build is without a
warning, its agent is fit to be loaded elsewhere (test_agent_binary.py), and its programs
capture a process by both methods.  Opt-in: tests/run --compilers, which installs what the
release has (PYMEM_TEST_COMPILERS: the folder to build in)."""
from harness import *

FOLDER = os.environ.get("PYMEM_TEST_COMPILERS")
if not FOLDER:
    skip_all("opt-in: tests/run --compilers")

CODE = r'''
class Thing:
    def __init__(self, i):
        self.number = i
keep = [Thing(i) for i in range(1000)]
ready()
serve()
'''
OLDEST = {"gcc": 12, "clang": 14}
STATIC = ("pymem-load-static", "pymem-view-static")


def installed(family):
    """Paths of all versions that are there, the oldest first."""
    found = []
    for folder in os.environ["PATH"].split(":"):
        for path in glob.glob("%s/%s-[0-9]*" % (folder, family)):
            version = os.path.basename(path)[len(family) + 1:]
            if version.isdigit() and int(version) >= OLDEST[family]:
                found.append((int(version), path))
    return [path for _, path in sorted(dict(found).items())]


def buildflags(name):
    """As a package of Debian's is built when it asks for all of them."""
    return subprocess.run(
        ["dpkg-buildflags", "--get", name], check=True, stdout=subprocess.PIPE,
        env=dict(os.environ, DEB_BUILD_MAINT_OPTIONS="hardening=+all optimize=+lto",
                 DEB_CFLAGS_MAINT_STRIP="-Wformat -Werror=format-security")).stdout.decode().strip()


class Compilers(Case):
    def good(self, done):
        text = (done.stdout + done.stderr).decode(errors="replace")
        self.assertEqual(done.returncode, 0, text[-6000:])
        return done.stdout.decode()

    def build(self, name, compiler, *options, static=True, env=None):
        """The folder of a build; a compiler's warnings are errors."""
        folder = os.path.join(FOLDER, name)
        self.good(run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", "-DBUILD_TESTING=OFF",
                       "-DPYMEM_WERROR=ON", "-DCMAKE_C_COMPILER=" + compiler, *options],
                      timeout=600, env=env))
        self.good(run(["ninja", "-C", folder, "all", *(STATIC if static else ())],
                      timeout=7200))
        return folder

    def check(self, folder):
        self.good(run([sys.executable, "-B", os.path.join(HERE, "test_agent_binary.py")],
                      timeout=600, env=dict(os.environ, PYMEM_BUILD=folder)))
        with Target(interpreters()[-1], CODE) as target:
            before = ProcState(target.pid)
            for load in glob.glob(folder + "/bin/pymem-load*"):
                for method in ("agent", "external"):
                    self.good(run([load, "-q", "--method", method, "-f",
                                   self.path("a.pymem"), str(target.pid)]))
                    self.assert_untouched(before)
                    self.read_back(folder)

    def read_back(self, folder):
        for view in glob.glob(folder + "/bin/pymem-view*"):
            def row(*more):
                return json.loads(self.good(run([
                    view, "--no-sidecar", self.path("a.pymem"), "--format", "json",
                    "--report", *more])))["processes"][0]["rows"][0]
            self.assertEqual(row("types", "--type", "__main__.Thing")["count"], 1000)
            overview = row("overview")
            self.assertGreater(overview["references_explained"],
                               0.99 * overview["references_counted"])

    def tried(self, name, compiler, *options, **more):
        with self.subTest(build=name):
            self.check(self.build(name, compiler, *options, **more))
            print("built and tried: " + name, file=sys.stderr, flush=True)

    def test_every_version(self):
        for family in OLDEST:
            self.assertTrue(installed(family), family)
            for compiler in installed(family):
                self.tried(os.path.basename(compiler), compiler)

    def test_highest_optimisation(self):
        for family in OLDEST:
            self.tried(family + "-O3", installed(family)[-1], "-DCMAKE_BUILD_TYPE=Release",
                       "-DCMAKE_C_FLAGS_RELEASE=-O3 -DNDEBUG")

    def test_across_files(self):
        """Optimised when it is linked."""
        lto = "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON"
        self.tried("gcc-lto", installed("gcc")[-1], lto)
        if not shutil.which("ld.lld"):
            self.skipTest("clang's needs lld")
        linker = ["-DCMAKE_%s_LINKER_FLAGS=-fuse-ld=lld" % kind for kind in ("EXE", "MODULE")]
        self.tried("clang-lto", installed("clang")[0], lto, *linker)

    def test_a_distributions_flags(self):
        self.tried("hardened", installed("gcc")[-1], "-DCMAKE_BUILD_TYPE=None",
                   static=False, env=dict(
                       os.environ, CPPFLAGS=buildflags("CPPFLAGS"),
                       CFLAGS=buildflags("CFLAGS") + " " + buildflags("CPPFLAGS"),
                       LDFLAGS=buildflags("LDFLAGS")))


if __name__ == "__main__":
    main()
