"""A spreadsheet compared with what is confirmed."""

import pytest

from categorization.confirming import confirm
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from categorization.spreadsheets.differences import Comparison, compare, effect_of
from categorization.spreadsheets.reading import read_upload
from categorization.spreadsheets.resources import csv_file
from categorization.spreadsheets.workbook import xlsx_file
from tenants.models import Practice, User
from tests.spreadsheets.conftest import FakeEngine, Types, add_type

HEAD = "Connection,Type,Purpose,Category,Confirmed by\n"


def compared(practice: Practice, *lines: str, head: str = HEAD) -> Comparison:
    return compare(practice, read_upload("types.csv", (head + "\n".join(lines)).encode()))


def differ(found: Comparison) -> list[tuple[int, str, str]]:
    assert found.mistakes == []
    return [(one.type.pk, one.now, one.new) for one in found.differences]


def mistakes(found: Comparison) -> list[tuple[int, str]]:
    return [(one.row, one.words) for one in found.mistakes]


@pytest.mark.parametrize(("name", "export"), [("a.csv", csv_file), ("a.xlsx", xlsx_file)])
def test_what_was_exported_differs_in_nothing(
    practice: Practice, types: Types, name: str, export: object
) -> None:
    add_type(practice, "'quoted", category="Blocked")
    add_type(practice, "Größe 7 – “peel”", "  spaced   out ", category="Blocked")
    add_type(practice, "00123", "1e5", category="Blocked")
    found = compare(practice, read_upload(name, export(practice)))  # type: ignore[operator]
    assert (found.mistakes, found.differences) == ([], [])
    assert (found.rows, found.same, found.left_empty) == (8, 5, 3)


def test_a_type_that_nobody_confirmed_differs_once_a_category_is_there(
    practice: Practice, types: Types
) -> None:
    found = compared(practice, "aestheticspro,Botox,,Non-Surgical Appointment,")
    assert differ(found) == [(types.botox.pk, "", "Non-Surgical Appointment")]


def test_a_category_without_a_confirmation_still_differs(practice: Practice, types: Types) -> None:
    AppointmentType.objects.for_practice(practice).filter(pk=types.botox.pk).update(category="Blocked")
    assert differ(compared(practice, "aestheticspro,Botox,,Blocked,")) == [(types.botox.pk, "", "Blocked")]


def test_an_empty_category_leaves_a_type_as_it_is(practice: Practice, types: Types) -> None:
    found = compared(practice, "aestheticspro,Surgery,,,", "aestheticspro,Botox,,,")
    assert (differ(found), found.left_empty) == ([], 2)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("Block", "Blocked"),
        ("BLOCKED", "Blocked"),
        ("Pre-Op", "Pre-Op Appointment"),
        ("Post op", "Post-Op Appointment"),
        (" post-op  appointment ", "Post-Op Appointment"),
        ("non surgical consult", "Non-Surgical Consult"),
    ],
)
def test_other_words_for_a_category_are_understood(
    practice: Practice, types: Types, typed: str, meant: str
) -> None:
    assert differ(compared(practice, f"aestheticspro,Botox,,{typed},")) == [(types.botox.pk, "", meant)]


def test_names_compare_without_case_and_spaces(practice: Practice, types: Types) -> None:
    found = compared(
        practice, "AestheticsPro, CONSULT ,rhino plasty,Blocked,", "AESTHETICSPRO,surgery ,,Blocked,"
    )
    assert [one.words for one in found.mistakes] == [
        'there is no type "CONSULT / rhino plasty". Names must stay as exported; new types come from the EMR.'
    ]
    assert [one.type for one in found.differences] == [types.surgery]


def test_a_guarded_name_is_found_with_the_quote_and_without(practice: Practice, types: Types) -> None:
    for name, purpose in [(types.nasty.name, "+1 guest"), (f"'{types.nasty.name}", "'+1 guest")]:
        quoted = name.replace('"', '""')
        found = compared(practice, f'aestheticspro,"{quoted}",{purpose},Blocked,')
        assert differ(found) == [(types.nasty.pk, "", "Blocked")]


def test_the_connection_may_be_left_out_where_the_name_says_enough(practice: Practice, types: Types) -> None:
    found = compared(practice, "Surgery,Blocked", head="Type,Category\n")
    assert differ(found) == [(types.surgery.pk, "Surgical Appointment", "Blocked")]
    found = compared(practice, "Botox,Blocked", head="Type,Category\n")
    assert mistakes(found) == [
        (
            2,
            'several types are called "Botox". Say in the column Connection which: aestheticspro or nextech.',
        )
    ]


def test_a_type_that_was_renamed_is_found_by_its_old_name(practice: Practice, types: Types) -> None:
    types.surgery.former_keys = [["operation", ""]]
    types.surgery.save()
    found = compared(practice, "aestheticspro,Operation,,Blocked,")
    assert differ(found) == [(types.surgery.pk, "Surgical Appointment", "Blocked")]


def test_every_wrong_row_is_named_by_its_number(practice: Practice, types: Types) -> None:
    found = compared(
        practice,
        "aestheticspro,Botox,,Funny,",
        "aestheticspro,Nothing like it,,Blocked,",
        "aestheticspro,Surgery,,Online,",
        "modmed,Surgery,,Blocked,",
        "aestheticspro,,,Blocked,",
        "aestheticspro,Consult,Rhinoplasty,Blocked,",
        "aestheticspro,Consult,Rhinoplasty,Surgical Consult,",
    )
    seven = (
        "Surgical Consult, Surgical Appointment, Non-Surgical Consult, Non-Surgical Appointment, "
        "Pre-Op Appointment, Post-Op Appointment, Blocked"
    )
    assert mistakes(found) == [
        (2, f'"Funny" is not a category. Write one of: {seven}.'),
        (3, 'there is no type "Nothing like it". Names must stay as exported; new types come from the EMR.'),
        (4, f'the EMR of "Surgery" does not offer Online Appointment. Write one of: {seven}.'),
        (5, 'there is no connection "modmed" with types. Known: aestheticspro, nextech.'),
        (6, "the name of the type is missing."),
        (8, '"Consult / Rhinoplasty" is Surgical Consult here and Blocked in row 7. Keep one of the two.'),
    ]


def test_two_rows_that_say_the_same_are_one(practice: Practice, types: Types) -> None:
    found = compared(practice, "aestheticspro,Botox,,Block,", "aestheticspro,botox,,Blocked,")
    assert differ(found) == [(types.botox.pk, "", "Blocked")]


def test_online_is_taken_where_the_emr_offers_it(practice: Practice, types: Types) -> None:
    assert differ(compared(practice, "nextech,Botox,,online,")) == [
        (types.online.pk, "", "Online Appointment")
    ]


def test_another_practices_types_cannot_be_named(practice: Practice, types: Types) -> None:
    other = Practice.objects.create(slug="harbor", name="Harbor", kind="med_spa")
    add_type(other, "Elsewhere only")
    assert mistakes(compared(practice, "aestheticspro,Elsewhere only,,Blocked,"))[0][0] == 2


def test_reviewers_are_those_who_wrote_their_name_beside_a_change(practice: Practice, types: Types) -> None:
    found = compared(
        practice,
        "aestheticspro,Botox,,Blocked,Dr. Berg",
        "aestheticspro,Consult,Rhinoplasty,Blocked,Sam",
        "aestheticspro,Surgery,,Surgical Appointment,Nobody asked",
        "nextech,Botox,,Blocked,Dr. Berg",
    )
    assert found.reviewers == ["Dr. Berg"]


def test_only_changes_of_confirmed_types_are_previewed(
    practice: Practice, types: Types, fake_engine: FakeEngine
) -> None:
    fake_engine.waiting = {types.botox.pk: 3, types.online.pk: 99}
    found = compared(practice, "aestheticspro,Botox,,Blocked,", "aestheticspro,Surgery,,Blocked,")
    effect = effect_of(practice, found.differences)
    assert fake_engine.previewed == [{types.surgery.pk: "Blocked"}]
    assert (effect.confirmed, effect.changed, effect.waiting) == (1, 1, 3)
    fake_engine.previewed.clear()
    assert effect_of(practice, found.differences[:1]).preview is None
    assert fake_engine.previewed == []


def test_comparing_changes_nothing(practice: Practice, types: Types, specialist: User) -> None:
    compared(practice, "aestheticspro,Botox,,Blocked,")
    assert not CategoryBatch.objects.for_practice(practice).exists()
    confirm(practice, {types.botox.pk: "Blocked"}, user=specialist, via=ConfirmedVia.PAGE)
    assert differ(compared(practice, "aestheticspro,Botox,,Blocked,")) == []
