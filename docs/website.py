"""Build the pages as a site that can be searched, with nothing from other hosts; script/docs --site runs it.

The pages also link to files outside of docs/, so all of them are laid out as in the repository first.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_LINK = re.compile(r"\]\(([^)\s#]+)")

SETTINGS = """\
project = html_title = "Builder Contracts"
extensions = ["myst_parser"]
root_doc = "README"
# Anchors as code hosts make them, which the pages link to.
myst_heading_anchors = 4
html_theme = "furo"
html_copy_source = False
"""

SIDEBAR = """

```{toctree}
:hidden:
:glob:

docs/index
docs/tutorials/*
docs/how-to/*
docs/truth/*
docs/explanation/*
docs/reference/*
docs/reference/*/*
docs/*
*
*/README
```
"""

ENTRANCE = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=README.html">\n'


def pages_and_linked_files(root: Path) -> Iterator[Path]:
    """README.md, all pages of docs/, and every file of the repository that one of them leads to."""
    waiting = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    seen = set(waiting)
    while waiting:
        file = waiting.pop()
        yield file
        if file.suffix != ".md":
            continue
        for link in _LINK.findall(file.read_text("utf-8")):
            target = (file.parent / link).resolve()
            if target.is_file() and target.is_relative_to(root) and target not in seen:
                seen.add(target)
                waiting.append(target)


def build(out: Path, root: Path = ROOT) -> int:
    """Write the site to a directory; the exit status is not 0 if a link or an anchor leads nowhere."""
    with tempfile.TemporaryDirectory() as folder:
        laid_out = Path(folder).resolve()
        for file in pages_and_linked_files(root):
            copy = laid_out / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        with (laid_out / "README.md").open("a", encoding="utf-8") as page:
            page.write(SIDEBAR)
        (laid_out / "conf.py").write_text(SETTINGS, "utf-8")
        sphinx = [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-b",
            "html",
            "-d",
            f"{laid_out}/.cache",
        ]
        status = subprocess.run([*sphinx, laid_out, out], check=False).returncode
    if status == 0:
        (out / "index.html").write_text(ENTRANCE, "utf-8")
    return status


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1])))
