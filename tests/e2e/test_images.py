# ctest: labels=e2e
# SPDX-License-Identifier: MIT
"""Images recorded now, of the interpreters here, are walked as the recorded ones are
(unit.agent_images): the recorder works, and what Python says is what the walk finds."""
import os
import subprocess
import sys
import unittest

from harness import BUILD, LONG, ROOT, Case, interpreters, main, skip_all

IMAGES = os.path.join(ROOT, "tests", "images")
RECORD = os.path.join(BUILD, "tests", "images", "record")
WALK = os.path.join(BUILD, "bin", "unit_agent_images")


class Images(Case):
    def test_recorded_now(self):
        pythons = [p for p in interpreters() if not p.free_threaded]
        for python in pythons if LONG else pythons[-1:]:
            with self.subTest(python=python.name):
                image = os.path.join(self.tmp, "image.zst")
                subprocess.run([sys.executable, os.path.join(IMAGES, "record.py"), RECORD,
                                python.path, image], check=True, timeout=300,
                               env=dict(os.environ, PYMEM_TEST_IMAGE_LEVEL="3"))
                p = subprocess.run([WALK, image], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, timeout=300)
                self.assertEqual(0, p.returncode, p.stdout.decode())


if __name__ == "__main__":
    if not os.path.exists(RECORD):
        skip_all("the recorder was not built")
    main()
