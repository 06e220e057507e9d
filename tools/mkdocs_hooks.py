"""Hook of the documentation's site: links that leave docs/ become the file's name, since the site holds docs/ alone."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Replace each link to a file outside docs/ by its text and the file's path in the repository."""
    folder = posixpath.dirname(page.file.src_uri)

    def replaced(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join("docs", folder, link[3].partition("#")[0]))
        if link[1] or (path.startswith("docs/") and not path.endswith((".txt", ".py", ".json"))):
            return link[0]
        text = link[2].strip("`")
        return f"`{path}`" if text.rstrip("/") in (path, posixpath.basename(path)) else f"{link[2]} (`{path}`)"

    return _LINK.sub(replaced, markdown)
