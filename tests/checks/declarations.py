"""A blank line stands between a function's first declarations and its statements."""
import re

import tree

# words of a type, stars, a name, and what follows a name in a declaration
DECLARATION = re.compile(
    r"\t(?!return\b|goto\b|else\b|case\b|sizeof\b|break\b|continue\b|do\b)"
    r"((static|const|register|volatile|unsigned|signed|long|short|struct|enum|union"
    r"|[A-Za-z_]\w*)\b\s*)+(\*|\s|const\b)*"
    r"([A-Za-z_]\w*(\[[^\]]*\])*( =|;|,|\[)|\(\*+(const )?\w+\)[\[(]|\{)")
STATEMENT = re.compile(r"\t[A-Za-z_]\w*(;| =|,|\[|\()")      # one word: no type


def after(code, at):
    """The line after the declaration that begins at code[at]."""
    depth = 0
    while True:
        depth += sum(code[at].count(c) for c in "{(") - sum(code[at].count(c) for c in "})")
        at += 1
        if depth <= 0 and code[at - 1].rstrip().endswith(";"):
            return at


found = []
for path in tree.product(".c", ".h"):
    code, text = tree.code(path).splitlines(), tree.text(path).splitlines()
    for at in (i for i, line in enumerate(code) if line == "{" and code[i - 1].endswith(")")):
        at, last = at + 1, 0
        while not code[at].strip() or code[at].startswith("#") or \
                DECLARATION.match(code[at]) and not STATEMENT.match(code[at]):
            if DECLARATION.match(code[at]) and not code[at].startswith("#"):
                at = last = after(code, at)
            else:
                at += 1
        if last and code[at] != "}" and all(line.strip() for line in text[last:at + 1]):
            found.append((path, last + 1, "no blank line after declarations"))
tree.report(found)
