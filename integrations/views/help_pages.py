"""The documents under docs/ as pages: which there are, and each one as HTML. Nothing outside docs/ is read."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from markdown_it import MarkdownIt
from markdown_it.token import Token

DOCS = Path(settings.BASE_DIR) / "docs"
INDEX = "index"
IMAGES = {".png": "image/png", ".svg": "image/svg+xml", ".jpg": "image/jpeg"}
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading that can be linked to. ``level`` as in Markdown: 2 for ``##``."""

    level: int
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class HelpPage:
    """A document as HTML (safe: raw HTML in it is shown as text), with its title and its headings."""

    name: str
    title: str
    html: str
    headings: tuple[Heading, ...]

    @property
    def anchors(self) -> frozenset[str]:
        return frozenset(heading.anchor for heading in self.headings)


def documents() -> dict[str, Path]:
    """Name in the address (``onboarding/modmed``) → file, of every document."""
    return {
        path.relative_to(DOCS).with_suffix("").as_posix(): path
        for path in sorted(DOCS.rglob("*.md"))
        if path.resolve().is_relative_to(DOCS.resolve())
    }


def images() -> dict[str, Path]:
    """Name → file, of every picture in docs/img."""
    return {path.name: path for path in sorted((DOCS / "img").glob("*")) if path.suffix in IMAGES}


def address_of(target: str) -> str:
    """The page of a document, given as ``name`` or ``name#anchor``."""
    name, _, anchor = target.partition("#")
    address = reverse("help") if name == INDEX else reverse("help-page", args=[name])
    return f"{address}#{anchor}" if anchor else address


def link_to_document(name: str, heading: str = "") -> str:
    """The page of a document, given by its file (``onboarding/modmed.md``) and the words of a heading."""
    target = name.removesuffix(".md")
    return address_of(f"{target}#{anchor_of(heading)}" if heading else target)


def anchor_of(words: str) -> str:
    """The anchor of a heading: as GitHub makes it, so that a link works in both places."""
    return re.sub(r"[^\w -]", "", words.strip().casefold()).replace(" ", "-")


def page(name: str) -> HelpPage | None:
    """One document; None where there is no such. ``name`` is only looked up: no path is made of it."""
    path = documents().get(name)
    return rendered(name, path.read_text(encoding="utf-8")) if path else None


def rendered(name: str, text: str) -> HelpPage:
    """Markdown as a page: headings get anchors, links lead to pages, tables say their column at each cell."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    headings = tuple(_headings(tokens))
    _label_cells(tokens)
    for token in tokens:
        if token.type == "inline" and token.children:
            token.children = _linked(token.children, posixpath.dirname(name))
    html = markdown.renderer.render(tokens, markdown.options, {})
    title = headings[0].title if headings else name
    return HelpPage(name, title, html, headings)


def _headings(tokens: Sequence[Token]) -> Iterator[Heading]:
    """Gives each heading its id; the second of a name gets a number."""
    seen: Counter[str] = Counter()
    for number, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        source = tokens[number + 1]
        anchor = anchor_of(source.content)
        seen[anchor] += 1
        if seen[anchor] > 1:
            anchor = f"{anchor}-{seen[anchor] - 1}"
        token.attrSet("id", anchor)
        yield Heading(int(token.tag[1:]), _words(source.children or []), anchor)


def _words(children: Sequence[Token]) -> str:
    return "".join(child.content for child in children if child.type in ("text", "code_inline"))


def _label_cells(tokens: Sequence[Token]) -> None:
    """On a narrow screen each cell stands below the other, so it says what column it is of."""
    labels: list[str] = []
    column = 0
    for number, token in enumerate(tokens):
        if token.type == "table_open":
            token.attrSet("class", "ax-table axh-table")
            labels = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            token.attrSet("scope", "col")
            labels.append(_words(tokens[number + 1].children or []))
        elif token.type == "td_open":
            if column < len(labels):
                token.attrSet("data-label", labels[column].capitalize())
            column += 1


def _linked(children: Sequence[Token], folder: str) -> list[Token]:
    """The same inline parts with their links put right. A link out of docs/ becomes plain words: the page that it
    leads to is in the source, and not here."""
    found: list[Token] = []
    dropped = False
    for child in children:
        if child.type == "link_open":
            address = _address(str(child.attrGet("href") or ""), folder)
            dropped = address is None
            if address is None:
                continue
            child.attrSet("href", address)
            child.attrSet("class", "ax-link")
        elif child.type == "link_close" and dropped:
            dropped = False
            continue
        elif child.type == "image":
            child.attrSet("src", _picture(str(child.attrGet("src") or "")))
            child.attrSet("loading", "lazy")
        found.append(child)
    return found


def _address(target: str, folder: str) -> str | None:
    """Where a link of a document leads; None out of docs/."""
    if _ELSEWHERE.match(target) or target.startswith("#"):
        return target
    place, _, anchor = target.partition("#")
    path = posixpath.normpath(posixpath.join(folder, place))
    name = path.removesuffix(".md")
    if path.endswith(".md") and name in documents():
        return address_of(f"{name}#{anchor}" if anchor else name)
    if posixpath.basename(path) in images() and path.startswith("img/"):
        return _picture(path)
    return None


def _picture(source: str) -> str:
    name = posixpath.basename(source)
    return reverse("help-image", args=[name]) if name in images() else ""
