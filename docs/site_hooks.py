"""What the site has beside `docs/`: the README, the changelog, how to contribute, every decision, and the notebooks.

MkDocs calls these functions by their names. Links that lead out of `docs/` become the place's name: a site has no
source tree beside it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"index.md": "README.md", "changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md"}
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The decisions join the navigation, and the version the title."""
    folder = Path(config.docs_dir) / "adr"
    decisions = ["adr/README.md", *(f"adr/{page.name}" for page in sorted(folder.glob("[0-9]*.md")))]
    assert config.nav is not None  # mkdocs.yml has one
    config.nav = [*config.nav, {"Decisions": decisions}]
    config.site_name = f"{config.site_name} {version()}"
    return config


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Pages whose text lies at the top of the project."""
    for name, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_inside(text)))
    for notebook in sorted((Path(config.docs_dir) / "notebooks").glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{notebook.stem}.md", content=_page_of(notebook)))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: Any) -> str:
    """Links to what the site does not have become plain words."""
    here = Path(page.file.src_uri).parent

    def link(match: re.Match[str]) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        if re.match(r"[a-z]+:", target):
            return match[0]
        if target.rsplit("/", 1)[-1] == "CONTRIBUTING.md":
            return f"[{words}]({'../' * len(here.parts)}contributing.md{anchor})"
        place = _normal(here / target)
        if files.get_file_from_path(place) is not None:
            return match[0]
        return words if "`" in words or place in words else f"{words} (`{place.removeprefix('../')}`)"

    return _LINK.sub(link, markdown)


def version() -> str:
    """The version that `gapsack/__init__.py` states; the package itself need not be importable."""
    found = re.search(r'^__version__ = "([^"]+)"', (ROOT / "gapsack" / "__init__.py").read_text("utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def _page_of(notebook: Path) -> str:
    """A notebook's cells as a page, below a link to the notebook itself, which lies beside it."""
    parts = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    heading, *rest = parts
    download = f"[The notebook]({notebook.name}), to run it yourself."
    # Notebooks link to each other; pages link to pages.
    linked = [re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", part) for part in (heading, *rest)]
    return "\n\n".join([linked[0], download, *linked[1:]]) + "\n"


def _inside(text: str) -> str:
    """Links of a page at the top of the project, seen from `docs/`."""
    return text.replace("](docs/", "](").replace("](CONTRIBUTING.md", "](contributing.md")


def _normal(path: Path) -> str:
    """A path without steps up, where these stay within the site; others keep theirs."""
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
