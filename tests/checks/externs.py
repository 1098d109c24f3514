"""What a header declares is defined somewhere and used outside of the file that defines
it, be it by a test or by an inline function of the header; else it is static, or dead."""
import collections
import re

import tree

uses = collections.defaultdict(collections.Counter)
for path in tree.files(".c", ".h"):
    for word in re.findall(r"\b[a-z]\w+\b", tree.code(path)):
        uses[word][path] += 1
defined = collections.defaultdict(set)
for path, name, *_ in tree.functions(tree.files(".c", ".h")):
    defined[name].add(path)
for tag in tree.tags(tree.product(".c"), "v"):
    defined[tag["name"]].add(tree.ROOT / tag["path"])

ELSEWHERE = {
    "pymem_agent_start": "called through dlsym",
    "html_style": "made by viewer/html/embed.cmake",
    "html_script": "likewise",
    "html_policy": "likewise",
    "cpu_clone": "an assembly function of agent/base/cpu_*.c",
    "cpu_sigreturn": "likewise",
    "gnu_get_libc_version": "glibc's, absent in musl: a weak reference",
    "agent_bytes": "made of the agent by loader/CMakeLists.txt, for one program",
    "agent_bytes_end": "made of the agent by loader/CMakeLists.txt, for one program",
}

found = []
for tag in tree.tags(tree.product(".h"), "px"):
    path, name = tree.ROOT / tag["path"], tag["name"]
    if name.isupper() or name in ELSEWHERE:
        continue  # a macro that declares; an exception
    outside = [p for p in uses[name] if p not in defined[name] and
               (p != path or uses[name][p] > 1)]
    if not defined[name]:
        found.append((path, tag["line"], name + " is defined nowhere"))
    elif not outside:
        found.append((path, tag["line"], name + " is used in its own file only"))
tree.report(found)
