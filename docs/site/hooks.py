"""Hooks of MkDocs: links that leave the folder of the pages.

The pages are read on the repository's site too, where ``../suites/mobile.yaml`` is a link. The
built site holds the pages alone, so such a link becomes its text and the path in the repository; a
path that does not exist fails the build.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+([^)\s#]+))(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return the page's text with every link out of ``docs/`` as its text and a path."""
    root = Path(config["config_file_path"]).parent

    def shown(link: re.Match[str]) -> str:
        text, _, path = link.groups()
        if not (root / path).exists():
            raise PluginError(f"{page.file.src_path}: no file {path}")
        plain = text.strip("`")
        return f"`{path}`" if plain in (path, Path(path).name) else f"{text} (`{path}`)"

    return _LINK.sub(shown, markdown)
