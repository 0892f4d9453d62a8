"""Every link of a built site to itself leads somewhere: ``python docs/check_links.py build/site``.

Links to other hosts are left alone: whether they answer is not the site's.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SKIPPED = {"_static", "_sources"}  # folders whose pages the theme brings


class _Page(HTMLParser):
    """The links of a page, and the places in it that links may name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        self.anchors |= {value for name in ("id", "name") if (value := given.get(name))}
        self.links += [value for name in ("href", "src") if (value := given.get(name))]


def dead_links(site: Path) -> list[str]:
    """``page: link`` for each link without a target, sorted."""
    pages = {
        path.resolve(): _Page(path.read_text("utf-8"))
        for path in site.rglob("*.html")
        if not SKIPPED & set(path.relative_to(site).parts)
    }
    if not pages:
        raise FileNotFoundError(f"{site} holds no pages, expected the folder of a built site")
    dead = []
    for path, page in pages.items():
        for link in set(page.links):
            if not _leads_somewhere(link, path, pages):
                dead.append(f"{path.relative_to(site.resolve())}: {link}")
    return sorted(dead)


def _leads_somewhere(link: str, path: Path, pages: dict[Path, _Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not parts.fragment or target not in pages:
        return target.exists()
    return unquote(parts.fragment) in pages[target].anchors


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = dead_links(Path(sys.argv[1]))
    print("\n".join(found))
    sys.exit(bool(found))
