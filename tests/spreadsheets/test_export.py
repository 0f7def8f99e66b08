"""The exported files: columns, choices, and nothing that a spreadsheet program would run."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from categorization.categories import Category
from categorization.explanations import EXPLANATIONS
from categorization.spreadsheets.columns import COLUMNS, guarded, unguarded
from categorization.spreadsheets.resources import csv_file
from categorization.spreadsheets.workbook import xlsx_file
from tenants.models import Practice
from tests.spreadsheets.conftest import Types, add_type

FORMULAS = ["=1+1", "+1 guest", "-10 min", "@home", "\t=1", "\r=1", " =1", "'quoted", "''", "=", "'=1"]


def workbook(practice: Practice) -> Any:
    return load_workbook(io.BytesIO(xlsx_file(practice)))


def test_a_row_says_what_is_known_of_a_type(practice: Practice, types: Types) -> None:
    head, *rows = csv.reader(io.StringIO(csv_file(practice).decode("utf-8-sig")))
    assert head == COLUMNS
    found = {(row[0], row[1]): row for row in rows}
    assert found["aestheticspro", "Botox"] == [
        "aestheticspro",
        "Botox",
        "",
        "17",
        "2026-12-01",
        "Non-Surgical Appointment",
        '"botox" is an injectable',
        "",
        "",
        "",
    ]
    assert found["aestheticspro", "Consult"][7:9] == ["Surgical Consult", "Sam"]
    assert found["aestheticspro", "Surgery"][8] == "Staff page"


def test_the_day_of_the_confirmation_is_the_practices(practice: Practice, types: Types) -> None:
    types.rhino.confirmed_at = types.rhino.confirmed_at.replace(2026, 3, 2, 3, 30)  # type: ignore[union-attr]
    types.rhino.save()
    assert b"Sam,2026-03-01" in csv_file(practice)


def test_a_category_that_nobody_confirmed_is_left_empty(practice: Practice, types: Types) -> None:
    types.botox.category = "Blocked"
    types.botox.save()
    assert b"Blocked" not in csv_file(practice)


def test_another_practices_types_are_not_in_it(practice: Practice, types: Types) -> None:
    other = Practice.objects.create(slug="harbor", name="Harbor", kind="med_spa")
    add_type(other, "Elsewhere only")
    assert b"Elsewhere" not in csv_file(practice)
    assert b"Elsewhere" in csv_file(other)


def test_the_workbook_has_a_bold_head_that_stays_and_wide_columns(practice: Practice, types: Types) -> None:
    sheet = workbook(practice)["Types"]
    assert [cell.value for cell in sheet[1]] == COLUMNS
    assert all(cell.font.bold for cell in sheet[1])
    assert sheet.freeze_panes == "A2"
    assert sheet.column_dimensions["B"].width >= 30


def test_each_row_offers_the_categories_of_its_emr(practice: Practice, types: Types) -> None:
    sheet = workbook(practice)["Types"]
    offered = {
        str(cells): rule.formula1.strip('"').split(",")
        for rule in sheet.data_validations.dataValidation
        for cells in rule.sqref.ranges
    }
    assert offered == {
        "H2:H5": [one.value for one in Category if one is not Category.ONLINE],
        "H6": [one.value for one in Category],
    }
    assert all(len(rule.formula1) <= 255 for rule in sheet.data_validations.dataValidation)


def test_the_second_sheet_explains_each_category_in_one_line(practice: Practice, types: Types) -> None:
    _, *rows = workbook(practice)["Explanations"].values
    assert dict(rows) == {category.value: EXPLANATIONS[category] for category in Category}
    assert not any("\n" in words for words in EXPLANATIONS.values())


def test_online_is_explained_only_where_the_emr_offers_it(practice: Practice) -> None:
    add_type(practice, "Botox")
    assert "Online Appointment" not in [row[0] for row in workbook(practice)["Explanations"].values]


def test_no_cell_is_a_formula(practice: Practice) -> None:
    for number, text in enumerate(FORMULAS):
        add_type(practice, f"{text}{number}", text, reason=text)
    for row in workbook(practice)["Types"].iter_rows(min_row=2):
        assert [cell.coordinate for cell in row if cell.data_type == "f"] == []
    for row in list(csv.reader(io.StringIO(csv_file(practice).decode("utf-8-sig"), newline="")))[1:]:
        assert [cell for cell in row if cell.lstrip().startswith(("=", "+", "-", "@"))] == []


@pytest.mark.parametrize("text", FORMULAS)
def test_what_starts_like_a_formula_is_guarded_and_comes_back(text: str) -> None:
    assert guarded(text).startswith("'")
    assert unguarded(guarded(text)) == text


@settings(deadline=None)
@given(st.text())
def test_any_name_comes_back(text: str) -> None:
    assert unguarded(guarded(text)) == text
