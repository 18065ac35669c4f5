"""The code of docs/signed-requests.md, run as it stands there."""

import os
import re

PAGE = os.path.join(os.environ["NEXUS_DOCS"], "signed-requests.md")


def code(mark):
    """The page's one block of Python with this mark."""
    with open(PAGE, encoding="utf-8") as page:
        found = re.findall(rf"^```python {mark}\n(.*?)^```", page.read(), re.DOTALL | re.MULTILINE)
    if len(found) != 1:
        raise LookupError(f"{len(found)} blocks of {PAGE} are marked `python {mark}`")
    return found[0]


def run(text, names):
    """Runs code of the page; `names` is what it can use, and what it defines is put there."""
    exec(compile(text, PAGE, "exec"), names)
