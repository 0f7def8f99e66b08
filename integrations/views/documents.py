"""The documents in docs/ as pages of the staff application, so that help is one click away and of this version."""

import html
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.http import require_safe

_HEADING = re.compile(r"(#{1,4}) +(.+)")
_ITEM = re.compile(r"( *)([-*]|\d+\.) +(.*)")
_RULE_ROW = re.compile(r"\s*\|[\s|:-]+\|\s*")
_INLINE = re.compile(r"`([^`]+)`|\*\*(.+?)\*\*|\*(\S(?:.*?\S)?)\*|!?\[([^\]]*)\]\(([^)\s]+)\)")


def folder() -> Path:
    """Where the documents are."""
    return Path(settings.BASE_DIR) / "docs"


def link_to_document(name: str, heading: str = "") -> str:
    """The page of a document, opened at a heading (its text, or the anchor that it makes)."""
    return reverse("document", args=[name]) + (f"#{anchor(heading)}" if heading else "")


def anchor(words: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """One document. Only what is in the folder is shown."""
    known = {found.relative_to(folder()).as_posix(): found for found in folder().rglob("*.md")}
    if name not in known:
        raise Http404("There is no such document.")
    title, body = _rendered(known[name], known[name].stat().st_mtime_ns, frozenset(known))
    context = {**admin.site.each_context(request), "title": title, "body": body}
    return TemplateResponse(request, "axconnect/document.html", context)


@lru_cache(maxsize=64)
def _rendered(file: Path, _changed: int, known: frozenset[str]) -> tuple[str, SafeString]:
    lines = file.read_text(encoding="utf-8").splitlines()
    page = _Page(file.relative_to(folder()).as_posix(), known, lines)
    body = "\n".join(page.blocks())
    return page.title, mark_safe(body)  # noqa: S308  (every text of it went through html.escape)


class _Page:
    """The part of Markdown that our documents use: headings, tables, lists, quotes, code, and words in a line."""

    def __init__(self, name: str, known: frozenset[str], lines: list[str]) -> None:
        self.name, self.known, self.lines = name, known, lines
        self.at = 0
        self.title = next((line[2:] for line in lines if line.startswith("# ")), name)

    def blocks(self) -> Iterator[str]:
        """The page, block by block."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip():
                self.at += 1
            elif line.lstrip().startswith("```"):
                yield self._code()
            elif heading := _HEADING.fullmatch(line):
                self.at += 1
                level, words = len(heading[1]), heading[2]
                yield f'<h{level} id="{html.escape(anchor(words))}">{self._words(words)}</h{level}>'
            elif line.lstrip().startswith("|"):
                yield self._table()
            elif line.startswith(">"):
                rows = self._while(lambda row: row.startswith(">"))
                yield f"<blockquote><p>{self._words(' '.join(row[1:].strip() for row in rows))}</p></blockquote>"
            elif _ITEM.fullmatch(line):
                yield self._list()
            else:
                yield f"<p>{self._words(' '.join(self._paragraph()))}</p>"

    def _while(self, fits: Callable[[str], bool]) -> list[str]:
        found = []
        while self.at < len(self.lines) and fits(self.lines[self.at]):
            found.append(self.lines[self.at])
            self.at += 1
        return found

    def _code(self) -> str:
        self.at += 1
        rows = self._while(lambda row: not row.lstrip().startswith("```"))
        self.at += 1
        return f"<pre><code>{html.escape(chr(10).join(rows))}</code></pre>"

    def _table(self) -> str:
        rows = self._while(lambda row: row.lstrip().startswith("|"))
        cells = [[cell.strip() for cell in row.strip().strip("|").split("|")] for row in rows]
        has_head = len(rows) > 1 and _RULE_ROW.fullmatch(rows[1])
        head, body = (cells[0], cells[2:]) if has_head else ([], cells)
        top = "".join(f'<th scope="col">{self._words(cell)}</th>' for cell in head)
        lines = (
            "".join(
                f'<td data-label="{html.escape(label)}">{self._words(cell)}</td>'
                for label, cell in zip([*head, *[""] * len(row)], row, strict=False)
            )
            for row in body
        )
        inside = "".join(f"<tr>{line}</tr>" for line in lines)
        return f'<table class="ax-table"><thead><tr>{top}</tr></thead><tbody>{inside}</tbody></table>'

    def _list(self) -> str:
        first = _ITEM.fullmatch(self.lines[self.at])
        assert first is not None
        tag, indent = ("ol" if first[2][0].isdigit() else "ul"), len(first[1])
        items = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            item = _ITEM.fullmatch(line)
            if item and len(item[1]) == indent:
                self.at += 1
                items.append(self._item(item[3], indent))
            elif not line.strip() and self._goes_on(indent):
                self.at += 1
            else:
                break
        return f"<{tag}>{''.join(f'<li>{item}</li>' for item in items)}</{tag}>"

    def _goes_on(self, indent: int) -> bool:
        """Whether a list goes on after an empty line."""
        following = self.lines[self.at + 1] if self.at + 1 < len(self.lines) else ""
        item = _ITEM.fullmatch(following)
        return bool(item and len(item[1]) == indent)

    def _item(self, words: str, indent: int) -> str:
        """An item with what is indented below it."""
        own = [words]
        below: list[str] = []
        deeper = re.compile(rf" {{{indent + 2},}}\S.*")
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if deeper.fullmatch(line):
                (below if below or _starts_block(line) else own).append(line.strip() if not below else line)
            elif (
                not line.strip()
                and self.at + 1 < len(self.lines)
                and deeper.fullmatch(self.lines[self.at + 1])
            ):
                below.append("")
            else:
                break
            self.at += 1
        width = min((len(row) - len(row.lstrip()) for row in below[1:] if row.strip()), default=0)
        inner = [row[width:] if row.startswith(" " * width) else row for row in below]
        return self._words(" ".join(own)) + "".join(_Page(self.name, self.known, inner).blocks())

    def _paragraph(self) -> Iterator[str]:
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if not line.strip() or _HEADING.fullmatch(line) or _starts_block(line):
                return
            self.at += 1
            yield line.strip()

    def _words(self, words: str) -> str:
        """A line with its code, emphasis and links; everything else escaped."""
        parts, at = [], 0
        for found in _INLINE.finditer(words):
            parts += [html.escape(words[at : found.start()]), self._marked(found)]
            at = found.end()
        return "".join([*parts, html.escape(words[at:])])

    def _marked(self, found: "re.Match[str]") -> str:
        code, strong, gentle, label, target = found.groups()
        if code is not None:
            return f"<code>{html.escape(code)}</code>"
        if strong is not None:
            return f"<strong>{self._words(strong)}</strong>"
        if gentle is not None:
            return f"<em>{self._words(gentle)}</em>"
        link = "" if found[0].startswith("!") else self._link(target)
        return (
            f'<a class="ax-link" href="{html.escape(link)}">{self._words(label)}</a>'
            if link
            else html.escape(label)
        )

    def _link(self, target: str) -> str:
        """Where a link leads; "" for files that are not documents."""
        if target.startswith(("#", "https://")):
            return target
        file, _, heading = target.partition("#")
        parts: list[str] = []
        for part in (PurePosixPath(self.name).parent / file).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        name = "/".join(parts)
        return link_to_document(name, heading) if name in self.known else ""


def _starts_block(line: str) -> bool:
    return line.lstrip().startswith(("|", ">", "```")) or _ITEM.fullmatch(line) is not None


urlpatterns: list[URLPattern] = [
    path("help/<path:name>", admin.site.admin_view(document), name="document"),
]
