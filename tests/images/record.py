#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""record.py RECORD PYTHON IMAGE: starts heap.py, records an image of it (record.c).

To be done again for the images here when the walk reads more than they hold:
unit.agent_images then says so."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def record(program, python, image):
    symbols = subprocess.run([program, "--symbols"], stdout=subprocess.PIPE, check=True)
    with open(os.path.join(HERE, "heap.py")) as f:
        source = f.read()
    # the tables of lines are shorter without columns
    command = [python, "-I", "-S", "-X", "no_debug_ranges", "-c", source]
    command += symbols.stdout.decode().split()
    hidden = [os.path.dirname(os.path.dirname(os.path.realpath(python))),
              os.path.expanduser("~")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/",
                          env={}) as target:
        with tempfile.NamedTemporaryFile() as description:
            for line in target.stdout:
                if line == b"end\n":
                    break
                description.write(line)
            description.flush()
            subprocess.run([program, str(target.pid), description.name, image] + hidden,
                           check=True)
        target.stdin.close()


if __name__ == "__main__":
    record(*sys.argv[1:])
