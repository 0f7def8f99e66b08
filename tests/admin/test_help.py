"""Every staff page says what it is, and the documents behind it can be read here."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from integrations.views import help_pages
from integrations.views.help_lines import HELP, help_line
from integrations.views.help_pages import documents, images, page, rendered
from tenants.models import User
from tests.admin.conftest import World, signed_in

LINE = 'id="ax-what"'
# Answers to a press, parts of a page, files, and pages that are not the staff's have no line. The steps of the set-up
# have one of their own, beside their heading.
NO_PAGES = re.compile(
    r"healthz|readyz|metrics|not-there|.*webhook|review:.*|categories-export.*|dashboard-live|attention-.*|help-image"
    r"|sandbox-(board|send|outage|contact-live|create-tag|create-tag-press)"
    r"|admin:(search|login|logout|autocomplete|jsi18n|view_on_site|effect-settle|creates-retry-fixed)"
    r"|setup(-start|-step)?|admin:category-(choose|progress|undo)|(bulk|provision)-run-progress|back-fill-(progress|stop)"
    r"|admin:(create|identity)-\w+|subaccount-budget|admin:subaccount-budget"
    r"|admin:\w+_(send_test|preview_now|poll_now|pull_locations|back_fill|stop_backfill|new_address|is_there|write_again"
    r"|propose_mappings|preview_fields|provision_fields|rotate_webhook|write_birth_date|leave_it|go_live|new_practice|set_up|add_connection|add_sub_account"
    r"|pause|resume|test|retry|replay)"
)


def names(patterns: list[URLPattern | URLResolver], space: str = "") -> Iterator[str]:
    """The names of all addresses, as a request knows its own."""
    for one in patterns:
        if isinstance(one, URLResolver):
            yield from names(one.url_patterns, f"{space}{one.namespace}:" if one.namespace else space)
        elif one.name:
            yield f"{space}{one.name}"


def line_on(text: str) -> tuple[str, str]:
    """(words, link) of the line on a page."""
    found = re.search(
        r'id="ax-what"><strong>What is this\?</strong> (.+?) <a class="ax-link" href="([^"]+)"', text
    )
    assert found, "no line"
    return found[1], found[2]


def test_every_page_has_a_line() -> None:
    missing = [
        name
        for name in names(get_resolver().url_patterns)
        if not NO_PAGES.fullmatch(name) and help_line(name) is None
    ]
    assert missing == []


def test_every_line_leads_to_a_heading_that_exists() -> None:
    for name, line in HELP.items():
        document, _, anchor = line.target.partition("#")
        found = page(document)
        assert found is not None, name
        assert anchor in found.anchors, (name, line.target)


def test_every_line_is_one_short_sentence_or_two() -> None:
    for name, line in HELP.items():
        assert line.words.endswith("."), name
        assert len(line.words) <= 115, name


def pages(world: World, root: User) -> Iterator[str]:
    """The addresses of all pages of the staff application."""
    for model in sorted(admin.site._registry, key=lambda one: one._meta.label):
        base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        row = root if model is User else world.row_of(model)
        yield reverse(f"{base}_changelist")
        for kind in ("change", "history"):
            if row is not None:
                yield reverse(f"{base}_{kind}", args=[row.pk])
    for name in ("tenants_practice", "tenants_user", "integrations_connection", "integrations_subaccount"):
        yield reverse(f"admin:{name}_add")
    yield from map(reverse, ("admin:index", "admin:find-patient", "admin:password_change", "help"))
    yield reverse("admin:event-payload", args=[world.event.pk])
    yield reverse("admin:connection-fields", args=[world.connection.pk])
    yield reverse("categories-import", args=[world.practice.slug])
    yield reverse("categories-sheet", args=[world.practice.slug])
    yield reverse("admin:auth_user_password_change", args=[root.pk])


def test_the_line_stands_once_on_every_page_and_its_document_opens(world: World, root: User) -> None:
    client = signed_in(root)
    links = set()
    for address in pages(world, root):
        answer = client.get(address)
        assert answer.status_code == 200, address
        text = answer.content.decode()
        assert text.count(LINE) == 1, address
        links.add(line_on(text)[1])
    assert len(links) > 12
    for link in links:
        path, _, anchor = link.partition("#")
        assert f'id="{anchor}"' in client.get(path).content.decode(), link


def test_the_sandbox_says_what_it_is(world: World, root: User, settings: object) -> None:
    settings.DEMO = True  # type: ignore[attr-defined]
    words, link = line_on(signed_in(root).get(reverse("sandbox")).content.decode())
    assert "pretend CRM" in words
    assert link == "/help/support/#the-sandbox-of-the-demo"


def test_the_sign_in_page_has_no_line(db: None) -> None:
    assert LINE not in Client().get(reverse("admin:login")).content.decode()


# --- the documents -------------------------------------------------------------------------------------------


def test_every_document_and_every_link_in_it_opens(agent: User) -> None:
    client = signed_in(agent)
    assert {"index", "support", "operators", "onboarding/go-live", "onboarding/modmed"} <= set(documents())
    for name in documents():
        text = client.get(help_pages.address_of(name)).content.decode()
        article = text[text.index("<article") : text.index("</article>")]
        for link in re.findall(r'(?:href|src)="([^"]*)"', article):
            if re.match(r"https?:|mailto:", link):
                continue
            path, _, anchor = link.partition("#")
            answer = client.get(path) if path else None
            assert answer is None or answer.status_code == 200, (name, link)
            if anchor:
                target = answer.content.decode() if answer else text
                assert f'id="{anchor}"' in target, (name, link)


def test_the_index_leads_from_page_to_page(agent: User) -> None:
    text = signed_in(agent).get("/help/").content.decode()
    assert 'href="/help/support/"' in text
    assert 'href="/help/onboarding/modmed/"' in text
    assert ".md" not in text[text.index("<article") : text.index("</article>")]


def test_strangers_and_reviewers_read_nothing(client: Client, reviewer: User) -> None:
    for who in (client, signed_in(reviewer)):
        for address in ("/help/", "/help/support/", "/help/img/board.png"):
            answer = who.get(address)
            assert answer.status_code == 302
            assert "/login/" in answer["Location"]


@pytest.mark.parametrize(
    "address",
    [
        "/help/nothing/",
        "/help/../README/",
        "/help/..%2fREADME/",
        "/help/%2e%2e/README/",
        "/help/onboarding/../../README/",
        "/help//etc/passwd/",
        "/help/support.md/",
        "/help/img/..%2fsupport.md",
        "/help/img/%2e%2e%2f%2e%2e%2fREADME.md",
        "/help/img/nothing.png",
    ],
)
def test_nothing_outside_the_documents_is_served(agent: User, address: str) -> None:
    assert signed_in(agent).get(address, follow=True).status_code == 404


def test_a_document_that_is_a_link_out_of_the_folder_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "secret.md").write_text("# Secret")
    (tmp_path / "docs" / "open.md").write_text("# Open")
    (tmp_path / "docs" / "closed.md").symlink_to(tmp_path / "secret.md")
    monkeypatch.setattr(help_pages, "DOCS", tmp_path / "docs")
    assert list(documents()) == ["open"]


def test_pictures_are_served_as_what_they_are(agent: User) -> None:
    client = signed_in(agent)
    kinds = {name: client.get(reverse("help-image", args=[name]))["Content-Type"] for name in images()}
    assert kinds["board.png"] == "image/png"
    assert kinds["flow.svg"] == "image/svg+xml"


def test_links_are_put_right_and_those_out_of_the_documents_become_words() -> None:
    text = (
        "# A\n\n[one](modmed.md#3-the-connection) [two](../support.md) [three](#a) "
        "[four](../../integrations/emrs/README.md) [five](https://example.com/x)\n"
    )
    html = rendered("onboarding/aestheticspro", text).html
    assert re.findall(r'href="([^"]+)"', html) == [
        "/help/onboarding/modmed/#3-the-connection",
        "/help/support/",
        "#a",
        "https://example.com/x",
    ]
    assert "four" in html


def test_html_in_a_document_is_shown_and_not_run() -> None:
    html = rendered("x", "# A\n\n<script>alert(1)</script>\n\n[b](javascript:alert(1))").html
    assert "<script>" not in html
    assert 'href="javascript' not in html


def test_headings_get_anchors_and_the_second_of_a_name_another() -> None:
    found = rendered("x", "# A `b` c\n\n## What to do when …\n\n## Same\n\n## Same\n")
    assert [one.anchor for one in found.headings] == ["a-b-c", "what-to-do-when-", "same", "same-1"]
    assert found.title == "A b c"
    assert '<h2 id="same-1">' in found.html


def test_cells_say_their_column_for_narrow_screens() -> None:
    html = rendered("x", "| you see | do |\n| --- | --- |\n| this | that |\n").html
    assert '<td data-label="You see">this</td>' in html
    assert '<td data-label="Do">that</td>' in html
