"""The file that comes back is the file that went in."""

import pytest

from integrations.practice_file.exporting import export_practice
from integrations.practice_file.importing import import_practice
from integrations.practice_file.problems import PracticeFileError
from tenants.models import Practice
from tests.practice_file.documents import document, raw

pytestmark = pytest.mark.django_db


def test_an_export_is_the_file_that_was_imported() -> None:
    import_practice(raw(document()))
    assert export_practice("bluestone", with_secrets=True) == document()


def test_an_export_makes_the_same_practice_in_an_empty_database() -> None:
    import_practice(raw(document()))
    first = export_practice("bluestone", with_secrets=True)
    Practice.objects.across_practices().get().delete()
    import_practice(raw(first))
    assert export_practice("bluestone", with_secrets=True) == first


def test_without_secrets_they_are_masked_and_an_import_keeps_them() -> None:
    import_practice(raw(document()))
    masked = export_practice("bluestone")
    assert "secret" not in str(masked)
    assert masked["sub_accounts"][0]["token"] == "***"
    assert masked["connections"][0]["credentials"] == {"username": "blue", "api_key": "***"}
    assert import_practice(raw(masked)).changes == []


def test_a_masked_file_cannot_make_a_practice() -> None:
    import_practice(raw(document()))
    masked = export_practice("bluestone")
    Practice.objects.across_practices().get().delete()
    with pytest.raises(PracticeFileError) as caught:
        import_practice(raw(masked))
    assert len(caught.value.problems) == 3


def test_a_practice_that_is_not_there_cannot_be_exported() -> None:
    with pytest.raises(Practice.DoesNotExist):
        export_practice("nobody")


def test_a_bare_practice_comes_back_too() -> None:
    bare = {"format": 1, "practice": {k: v for k, v in document()["practice"].items() if k != "live_reason"}}
    bare["practice"]["live"] = False
    import_practice(raw(bare))
    empty = {"sub_accounts": [], "locations": [], "connections": [], "categories": []}
    assert export_practice("bluestone") == bare | empty
