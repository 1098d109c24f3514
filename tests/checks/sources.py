"""Every source and every test is named in a CMake list, or by a test that builds it."""
import re

import tree

LISTS = [p for room in tree.ROOMS for p in (tree.ROOT / room).rglob("*")
         if p.name == "CMakeLists.txt" or p.suffix == ".cmake"]
words = set(re.findall(r"[\w./${}]+", "\n".join(tree.text(p) for p in LISTS)))
words |= {word.rsplit("/", 1)[-1] for word in words}
# A file each processor: cpu/${CMAKE_SYSTEM_PROCESSOR}.c
of_processors = [r"(.*/)?" + re.escape(word).replace(re.escape("${CMAKE_SYSTEM_PROCESSOR}"), r"\w+")
                 for word in words if "${CMAKE_SYSTEM_PROCESSOR}" in word]
tests = "\n".join(tree.text(p) for p in tree.files(".py"))


def listed(path):
    """By its name, or by a loop's word: unit/formats_bytes.c as "bytes"."""
    stem = path.stem
    return bool({path.name, stem, stem.partition("_")[2]} & words) or any(
        re.fullmatch(one, path.parent.name + "/" + path.name) for one in of_processors)


def run(path):
    """A test: named in the list of its own folder, not by another file's chance."""
    own = set(re.findall(r"\w+", tree.text(path.parent / "CMakeLists.txt")))
    return path.stem in own or path.stem.partition("_")[2] in own


found = [(path, 1, "in no CMake list") for path in tree.files(".c")
         if not listed(path) and path.name not in tests]
found += [(path, 1, "in no CMake list") for path in tree.files(".py")
          if (path.name.startswith("test_") or path.parent.name == "checks")
          and path.name != "tree.py" and not run(path)]
tree.report(found)
