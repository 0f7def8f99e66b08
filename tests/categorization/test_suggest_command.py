"""The command suggest_categories: files as people save them, in; the same rows with suggestions, out."""

import csv
import io
import time
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from tests.categorization.labels import FOLDER, TUNED


def run(file: Path, *options: str) -> list[dict[str, str]]:
    out = io.StringIO()
    call_command("suggest_categories", str(file), *options, stdout=out, stderr=io.StringIO())
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def saved(tmp_path: Path, data: str | bytes) -> Path:
    file = tmp_path / "types.csv"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    return file


def test_it_adds_category_confidence_and_reason_to_the_rows(tmp_path: Path) -> None:
    rows = run(saved(tmp_path, "id,name\n7,BBA cons\n8,BBL\n"))
    assert [list(row) for row in rows] == [["id", "name", "category", "confidence", "reason"]] * 2
    assert rows[0] == {
        "id": "7",
        "name": "BBA cons",
        "category": "Surgical Consult",
        "confidence": "0.94",
        "reason": "'cons' with a named surgery ('bba')",
    }
    assert rows[1]["category"] == ""
    assert float(rows[1]["confidence"]) < 0.6
    assert "BroadBand Light" in rows[1]["reason"]


def test_it_uses_purpose_class_and_minutes_where_there_are_such_columns(tmp_path: Path) -> None:
    rows = run(
        saved(
            tmp_path,
            "Name,Purpose,Class,Duration\nFollow up,Rhinoplasty,,\nMisc,,Office,\n"
            "Rhinoplasty,,,15 min\nRhinoplasty,,,3 hrs\n",
        )
    )
    assert [row["category"] for row in rows[:2]] == ["Post-Op Appointment", "Blocked"]
    assert [float(row["confidence"]) < 0.6 for row in rows[2:]] == [True, False]


def test_the_kind_of_practice_counts(tmp_path: Path) -> None:
    file = saved(tmp_path, "name\nConsult\n")
    assert run(file)[0]["category"] == ""
    assert run(file, "--kind", "med_spa")[0]["category"] == "Non-Surgical Consult"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_it_reads_the_encodings_that_spreadsheets_write(tmp_path: Path, encoding: str) -> None:
    rows = run(saved(tmp_path, "name\nJuvéderm – 1 syringe\n".encode(encoding)))
    assert rows[0]["name"] == "Juvéderm – 1 syringe"
    assert rows[0]["category"] == "Non-Surgical Appointment"


@pytest.mark.parametrize("separator", [";", "\t"])
def test_it_reads_other_separators(tmp_path: Path, separator: str) -> None:
    rows = run(saved(tmp_path, f"purpose{separator}name\r\nBotox{separator}Consult\r\n"))
    assert rows[0]["category"] == "Non-Surgical Consult"


def test_short_and_long_rows_are_evened_out(tmp_path: Path) -> None:
    rows = run(saved(tmp_path, 'name,purpose\nLunch\n"Tummy Tuck, consult",x,y,z\n\n,\n'))
    assert [row["category"] for row in rows] == ["Blocked", "Surgical Consult", ""]


def test_columns_named_like_its_own_give_way(tmp_path: Path) -> None:
    rows = run(saved(tmp_path, "name,category\nLunch,Old guess\n"))
    assert list(rows[0]) == ["name", "category", "confidence", "reason"]
    assert rows[0]["category"] == "Blocked"


def test_it_writes_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run(saved(tmp_path, "name\nLunch\n"), "--out", str(out)) == []
    assert out.read_text(encoding="utf-8").splitlines()[1].startswith("Lunch,Blocked,0.95,")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"type,purpose\nBotox,\n", 'has no column "name"; its first line has: type, purpose.'),
        (b"", "The file is empty"),
        (b"\x00\x01\x02\x81\x8d", "The file is not text"),
        (b"PK\x03\x04\x00\x00name", "The file is not text"),
        (b"name\n" + b'"' + b"x" * 200_000 + b'"\n', "The file is not a CSV table"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(CommandError) as fault:
        run(saved(tmp_path, data))
    assert said in str(fault.value)


def test_it_says_what_file_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run(tmp_path / "missing.csv")
    with pytest.raises(CommandError, match="cannot be written"):
        run(saved(tmp_path, "name\nLunch\n"), "--out", str(tmp_path / "no" / "out.csv"))


def test_ten_thousand_names_take_less_than_five_seconds(tmp_path: Path) -> None:
    names = [row["name"] for row in csv.DictReader((FOLDER / TUNED).read_text(encoding="utf-8").splitlines())]
    text = io.StringIO()
    csv.writer(text).writerows([["name"], *([f"{names[i % len(names)]} {i}"] for i in range(10_000))])
    file = saved(tmp_path, text.getvalue())
    started = time.process_time()
    assert len(run(file)) == 10_000
    assert time.process_time() - started < 5
