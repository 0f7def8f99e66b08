"""The documents as pages: what they are made of, where their links lead, and that nothing else is shown."""

from pathlib import Path

import pytest
from django.test import Client

from integrations.views import documents
from integrations.views.documents import anchor, folder, link_to_document
from integrations.views.setup.pages import GUIDE
from integrations.views.setup.progress import STEPS
from tests.setup.conftest import words

pytestmark = pytest.mark.django_db


def test_every_document_opens(staff: Client) -> None:
    for file in folder().rglob("*.md"):
        page = staff.get(link_to_document(file.relative_to(folder()).as_posix()))
        assert page.status_code == 200, file
        assert "<h1" in page.content.decode(), file


def test_every_step_has_its_heading_in_the_guide() -> None:
    lines = (folder() / GUIDE).read_text(encoding="utf-8").splitlines()
    headings = {anchor(line[3:]) for line in lines if line.startswith("## ")}
    assert headings == {slug for slug, *_ in STEPS}


def test_what_is_not_a_document_is_not_shown(staff: Client) -> None:
    for name in ("nothing.md", "../README.md", "..%2FREADME.md", "img/flow.svg"):
        assert staff.get(f"/help/{name}").status_code == 404, name
    assert Client().get("/help/index.md").status_code == 302


def test_the_words_of_a_document_cannot_become_markup(
    staff: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        "# A <b>title</b>\n\nSome `<i>` and **bold** [here](other.md#a-b), [code](../x.py).\n\n"
        '> said "so"\n\n1. one\n   more\n   - deeper\n\n2. two\n\n| a | b |\n|---|---|\n| <u> | *x* |\n\n'
        "```\n<script>\n```\n"
    )
    (tmp_path / "page.md").write_text(text)
    (tmp_path / "other.md").write_text("# Other\n")
    monkeypatch.setattr(documents, "folder", lambda: tmp_path)
    page = staff.get("/help/page.md")
    inside = page.content.decode().partition("ax-document")[2].partition("</article>")[0]
    for wanted in (
        "A &lt;b&gt;title&lt;/b&gt;</h1>",
        "<code>&lt;i&gt;</code>",
        "<strong>bold</strong>",
        'href="/help/other.md#a-b"',
        ", code.",
        "<blockquote><p>said &quot;so&quot;</p></blockquote>",
        "<ol><li>one more<ul><li>deeper</li></ul></li><li>two</li></ol>",
        '<td data-label="a">&lt;u&gt;</td>',
        "<em>x</em>",
        "<code>&lt;script&gt;</code>",
    ):
        assert wanted in inside, (wanted, inside)
    assert "All documents" in words(page)
