# ctest: labels=e2e;ptrace;slow timeout=7200
# SPDX-License-Identifier: MIT
"""The packages that .ci/packages makes: lintian has nothing to say, they install in bare
roots of Debian's releases, and what is installed captures a process there; so does
pymem-load-static, one file, and what pip installs.  Opt-in: tests/run --packages, which
makes them (PYMEM_TEST_PACKAGES: the folder they lie in)."""
from debian_root import *

PACKAGES = os.environ.get("PYMEM_TEST_PACKAGES")
if not PACKAGES:
    skip_all("opt-in: tests/run --packages")
own_mounts()

SUITES = ("bookworm", "trixie", "sid")
CODE = r'''
class Thing:
    def __init__(self, i):
        self.number = i
keep = [Thing(i) for i in range(1000)]
ready()
serve()
'''
# (one that ends at once may leave none: agent/TRIGGERS.md)
PROGRAM = ("import time\nclass Thing: pass\nkeep = [Thing() for i in range(1000)]\n"
           "time.sleep(1)\n")
DOCUMENTS = ("README.md", "SNAPSHOT.md", "PROBES.md", "copyright", "changelog.gz",
             "changelog.Debian.gz")
MANUALS = ("man1/pymem-load.1.gz", "man1/pymem-view.1.gz", "man7/pymem-sql.7.gz")


def the(pattern):
    found = glob.glob(os.path.join(PACKAGES, pattern))
    assert len(found) == 1, (pattern, found)
    return found[0]


class Debian(Case):
    def test_lintian(self):
        done = run(["lintian", "--allow-root", "--fail-on=error,warning", the("*.deb")],
                   timeout=600)
        self.assertEqual((done.returncode, done.stdout), (0, b""), done.stdout.decode())

    def good(self, done):
        self.assertEqual(done.returncode, 0, (done.stdout + (done.stderr or b"")).decode())
        return done.stdout.decode()

    def things(self, root, name):
        rows = json.loads(self.good(root.run(
            "pymem-view", name, "--report", "types", "--type", "__main__.Thing",
            "--format", "json")))
        return rows["processes"][0]["rows"][0]["count"]

    def check_installed(self, root):
        self.assertEqual(self.good(root.run("dpkg", "--verify", "pymem")), "")
        for name in DOCUMENTS:
            self.assertTrue(os.path.isfile(root.path + "/usr/share/doc/pymem/" + name), name)
        for name in MANUALS:
            self.assertTrue(os.path.isfile(root.path + "/usr/share/man/" + name), name)
        words = self.good(root.run("bash", "-c",
            "source /usr/share/bash-completion/completions/pymem-load;"
            "COMP_WORDS=(pymem-load --meth) COMP_CWORD=1; _pymem_load; echo ${COMPREPLY[*]}"))
        self.assertEqual(words.split(), ["--method"])

    def check_capture(self, root):
        with RootTarget(root, CODE) as target:
            before = ProcState(target.pid)
            for method in ("agent", "external"):
                self.good(root.run("pymem-load", "-q", "--method", method, "-f",
                                   "/tmp/%s.pymem" % method, target.pid))
                self.assert_untouched(before)
                self.assertEqual(self.things(root, "/tmp/%s.pymem" % method), 1000)
        self.good(root.run("pymem-load", "-q", "-f", "/tmp/command.pymem", "--", "python3",
                           "-c", PROGRAM))
        self.assertEqual(self.things(root, "/tmp/command.pymem"), 1000)

    def check_preload(self, root):
        said = root.run("env", "LD_PRELOAD=libpymemagent.so", "PYMEM_AT_EXIT=1",
                        "PYMEM_OUTPUT=/tmp/preload.pymem", "python3", "-c", PROGRAM)
        self.assertNotIn("ERROR: ld.so", self.good(said) + said.stderr.decode())
        self.assertEqual(self.things(root, "/tmp/preload.pymem"), 1000)
        # it finds the package's pymem-view
        said = root.run("env", "LD_PRELOAD=libpymemagent.so", "PYMEM_AT_EXIT=1",
                        "PYMEM_OUTPUT=/tmp/own.summary", "python3", "-c", PROGRAM)
        self.good(said)
        with open(root.path + "/tmp/own.summary") as f:
            self.assertTrue(json.load(f)["complete"])
        self.assertFalse(os.path.exists(root.path + "/tmp/own.pymem"))

    def test_installed(self):
        for suite in SUITES:
            with self.subTest(suite=suite), Root(suite) as root:
                # a mirror may be older than its suite's files last
                self.good(root.run("apt-get", "update", "-qq",
                                   "-o", "Acquire::Check-Valid-Until=false"))
                shutil.copy(the("*.deb"), root.path + "/tmp/pymem.deb")
                self.good(root.run("apt-get", "install", "-y", "-qq",
                                   "--no-install-recommends", "/tmp/pymem.deb"))
                self.check_installed(root)
                self.check_capture(root)
                self.check_preload(root)
                self.good(root.run("apt-get", "purge", "-y", "-qq", "pymem"))
                left = [p for p in glob.glob(root.path + "/usr/**/*pymem*", recursive=True)]
                self.assertEqual(left, [])


class Portable(Case):
    """What needs nothing of the system: the one file, and the wheel."""

    good, things = Debian.good, Debian.things

    def test_one_file(self):
        self.assertLess(os.path.getsize(the("pymem-load-static")), 3 << 20)
        for suite in ("bullseye",) + SUITES:
            with self.subTest(suite=suite), Root(suite) as root:
                shutil.copy(the("pymem-load-static"), root.path + "/tmp/load")
                with RootTarget(root, CODE) as target:
                    before = ProcState(target.pid)
                    for method in ("agent", "external"):
                        self.good(root.run("/tmp/load", "-q", "--method", method, "-f",
                                           "/tmp/a.pymem", target.pid))
                        self.assert_untouched(before)
                        rows = json.loads(self.good(run_view(
                            root.path + "/tmp/a.pymem", "--report", "types", "--type",
                            "__main__.Thing", "--format", "json")))["processes"][0]["rows"]
                        self.assertEqual(rows[0]["count"], 1000)
                said = root.run("/tmp/load", "--", "python3", "-c", PROGRAM)
                self.assertNotEqual(said.returncode, 0)
                self.assertIn(b"PYMEM_AGENT", said.stderr)

    def check_graphs(self, view):
        """By the system's dot, where it is; else the words say what to do."""
        user = [shutil.which("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups"]
        os.chmod(self.tmp, 0o777)
        os.chmod(self.path("a.pymem"), 0o644)

        def graph(prefix, path, name):
            return run(prefix + [view.replace("/bin/", "/lib/python%d.%d/site-packages/pymem/bin/"
                                              % sys.version_info[:2]),
                                 "--no-sidecar", self.path("a.pymem"), "--graph", "treemap",
                                 "-o", self.path(name)], env=dict(os.environ, PATH=path))
        self.good(graph(user, os.environ["PATH"], "a.svg"))
        with open(self.path("a.svg")) as f:
            self.assertIn("<svg", f.read())
        for prefix, why in ((user, b"graphviz"), ([], b"run by root")):
            done = graph(prefix, "/nowhere", "b.svg")
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)
            self.assertIn(b"static", done.stderr)
        self.good(graph(user, "/nowhere", "b.dot"))

    def test_wheel(self):
        name = os.path.basename(the("*.whl"))
        self.assertRegex(name, "manylinux2014_.*musllinux_1_1_")
        self.good(run([sys.executable, "-m", "venv", self.path("venv")], timeout=600))
        python = self.path("venv/bin/python")
        self.good(run([python, "-m", "pip", "install", "--no-index", "-q",
                       the("*.whl")], timeout=600))
        load, view = self.path("venv/bin/pymem-load"), self.path("venv/bin/pymem-view")
        with Target(python, CODE) as target:
            before = ProcState(target.pid)
            self.good(run([load, "-q", "-f", self.path("a.pymem"), str(target.pid)]))
            self.assert_untouched(before)
        self.good(run([load, "-q", "-f", self.path("b.pymem"), "--", python, "-c", PROGRAM]))
        for name in ("a.pymem", "b.pymem"):
            said = json.loads(self.good(run([
                view, self.path(name), "--report", "types", "--type", "__main__.Thing",
                "--format", "json"])))
            self.assertEqual(said["processes"][0]["rows"][0]["count"], 1000)
        self.check_graphs(view)
        self.assertTrue(os.path.isfile(self.path("venv/share/man/man1/pymem-load.1")))
        self.good(run([python, "-m", "pip", "uninstall", "-y", "-q", "pymem"], timeout=600))
        self.assertFalse(os.path.exists(load))

    def test_same_bytes_elsewhere(self):
        """Another folder of another depth, umask, time zone and language: the same bytes."""
        source = self.path("some/where/else/sources")
        built = {n for n in os.listdir(ROOT)
                 if n.startswith((".git", "build", "pymem_out")) and n != ".github"}
        shutil.copytree(ROOT, source, symlinks=True, ignore=lambda folder, names:
                        built if folder == ROOT else ())
        epoch = self.good(run([os.path.join(ROOT, ".ci/source_date")])).strip()
        self.good(run(["sh", "-c", "umask 077; exec \"$@\"", "sh", source + "/.ci/packages",
                       self.path("made")], timeout=6000, env=dict(
                           os.environ, SOURCE_DATE_EPOCH=epoch, TZ="Asia/Kathmandu",
                           LC_ALL="C", CCACHE_DISABLE="1")))
        for pattern in ("*.deb", "*.whl", "pymem-load-static"):
            with self.subTest(pattern=pattern):
                other = self.path("made/" + os.path.basename(the(pattern)))
                with open(the(pattern), "rb") as a, open(other, "rb") as b:
                    self.assertTrue(a.read() == b.read(), "not the same bytes: " + other)


if __name__ == "__main__":
    main()
