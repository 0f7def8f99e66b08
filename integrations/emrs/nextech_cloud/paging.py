"""Walking through the pages of a list that changes while it is read.

Nextech's pages are offsets into a list ordered by the day of entry. A row that is added moves the rest to
later pages: some come twice. A row that is removed moves the rest to earlier pages: some would never come.
So every page is asked for one row earlier than its link says; when that first row is not one that was seen,
rows have moved away, and the walk begins again. Only the path and the query of a link are ever used.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from integrations.contract.errors import TransientError

MOST_PAGES = 1000
MOST_RESTARTS = 3
# Pages in a row with nothing new: the server gives the same page whatever the offset.
MOST_STALE = 3

_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?(?://[^/?#]*)?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.I
)
_OFFSET = re.compile(r"((?:^|&)_getpagesoffset=)(\d{1,9})(?=&|$)")
_PLAIN = re.compile(r"[!$%&'()*,./0-9:;=?@A-Z_a-z|~-]*")


def target(link: str, base_path: str, resource: str) -> str:
    """Path and query of a link, as what stands behind our own base address; "" for no usable link.

    A path outside our base is not followed: the list itself is asked with the link's query.
    """
    found = _LINK.fullmatch(link.strip())
    if not found or not found["query"]:
        return ""
    path = found["path"]
    inside = path.startswith(f"{base_path}/") or path == base_path
    relative = path[len(base_path) :] if inside else ""
    # Some servers leave a plus sign, which means a space in a query, as it is.
    whole = f"{relative or f'/{resource}'}?{found['query'].replace('+', '%2B')}"
    is_safe = _PLAIN.fullmatch(whole) and ".." not in relative and "//" not in relative
    return whole if is_safe else ""


def offset_in(query: str) -> int | None:
    """The offset that a path with query asks for; None where it asks otherwise."""
    found = _OFFSET.search(query.partition("?")[2])
    return int(found[2]) if found else None


def with_offset(query: str, offset: int) -> str:
    """The same with another offset."""
    path, mark, rest = query.partition("?")
    return path + mark + _OFFSET.sub(rf"\g<1>{offset}", rest)


@dataclass(slots=True)
class Walk:
    """One reading of all pages of a list. ``first`` is what the first page is asked with.

    ``given`` is what was handed on (id → version), ``passed`` the ids met since the walk last began.
    """

    first: str
    base_path: str
    resource: str
    pages: int = 0
    restarts: int = 0
    stale: int = 0
    overlaps: bool = False
    given: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)

    def fresh(self, rows: Sequence[tuple[str, str]]) -> list[bool]:
        """Which of a page's rows, (id, version), were not handed on yet as they are; from now on they were."""
        answers = []
        for row_id, version in rows:
            answers.append(self.given.get(row_id) != version)
            self.given[row_id] = version
        return answers

    def after(self, asked: str, ids: Sequence[str], link: str, total: int | None = None) -> str:
        """What to ask for the page behind the one ``asked`` with, which held these ids; "" at the end. ``total``
        is how many there are on the whole list, where the server says so.

        Raises TransientError when there is no end, or none that can be reached.
        """
        self.pages += 1
        if self.pages > MOST_PAGES:
            raise TransientError(
                "Nextech's list has no end: reading it was given up, and begins again later."
            )
        if self._has_moved(ids):
            return self._restarted()
        is_stale = self.passed.issuperset(ids)
        self.passed.update(ids)
        self.stale = self.stale + 1 if is_stale else 0
        if not ids:
            return ""
        if self.stale >= MOST_STALE:
            return self._stuck(total)
        return self._following(asked, len(ids), target(link, self.base_path, self.resource))

    def _has_moved(self, ids: Sequence[str]) -> bool:
        """Whether the row that this page shares with the one before is missing from it."""
        return self.overlaps and (not ids or ids[0] not in self.passed)

    def _stuck(self, total: int | None) -> str:
        """Page after page brings nothing new: rows keep coming in before the others, or the server gives one
        page whatever the offset."""
        if self.restarts < MOST_RESTARTS:
            return self._restarted()
        if total is not None and total > len(self.passed):
            raise TransientError("Nextech gives the same page of a list again and again.")
        return ""

    def _restarted(self) -> str:
        self.restarts += 1
        self.overlaps, self.stale = False, 0
        self.asked.clear()
        self.passed.clear()
        return self.first

    def _following(self, asked: str, length: int, following: str) -> str:
        self.asked.add(asked)
        self.overlaps = False
        offset, here = offset_in(following), offset_in(asked) or 0
        if not following or (offset is not None and offset <= here):
            return ""
        # After a page that was not full there is nothing yet to share a row with.
        if offset is not None and here + 1 < offset <= here + length and self.restarts < MOST_RESTARTS:
            self.overlaps = True
            following = with_offset(following, offset - 1)
        return "" if following in self.asked else following
