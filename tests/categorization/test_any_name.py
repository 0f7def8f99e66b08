"""What holds for every name, however odd."""

import csv
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from categorization.categories import Category
from categorization.suggest import suggest
from tests.categorization.labels import FOLDER, HELD_OUT, TUNED

NAMES = [
    row["name"]
    for file in (TUNED, HELD_OUT)
    for row in csv.DictReader((FOLDER / file).read_text(encoding="utf-8").splitlines())
]
SAYS_NOTHING = [
    " w/ Dr Smith",
    " - Jane RN",
    " (Dr. Lynch)",
    " with Dr. Burns",
    " - Dr. Amy Wells, MD",
    " - Kelly NP",
]
SAYS_NOTHING += [" 30 min", " 45min", " - 1 hr", " #1 of 3", " x3", " $250", " - 20% off"]
PIECES = st.lists(st.sampled_from(NAMES) | st.text(max_size=12), max_size=6).map(" ".join)


@given(
    st.text() | PIECES,
    st.lists(st.text(max_size=30), max_size=3),
    st.text(max_size=15),
    st.integers() | st.none(),
)
@example("", [], "", None)
@example("💉💋", ["🏥"], "Office", 0)
@example("\x00\x1b[31m\u202e", ["\x00"], "\x00", -1)
@example("ボトックス カウンセリング", [], "", None)
@example("İıßﬁ", [], "", None)
def test_any_text_gets_an_answer(
    name: str, purposes: list[str], type_class: str, minutes: int | None
) -> None:
    answer = suggest(name, purposes=purposes, type_class=type_class, minutes=minutes)
    assert answer == suggest(name, purposes=purposes, type_class=type_class, minutes=minutes)
    assert 0 <= answer.confidence <= 1
    assert answer.category is None or isinstance(answer.category, Category)
    assert answer.reason


@pytest.mark.parametrize("long", ["botox " * 2000, "x" * 10_000, "é\u0301" * 5000, "1 " * 5000, "(" * 10_000])
def test_very_long_names_are_answered_quickly(long: str) -> None:
    started = time.perf_counter()
    assert suggest(long).reason
    assert time.perf_counter() - started < 0.5


@given(st.sampled_from(NAMES), st.sampled_from([str.upper, str.lower, str.title, str.swapcase]))
def test_case_does_not_matter(name: str, change: Callable[[str], str]) -> None:
    assert suggest(change(name)) == suggest(name)


@given(st.sampled_from(NAMES), st.integers(1, 4))
def test_spaces_do_not_matter(name: str, times: int) -> None:
    assert suggest("  " + name.replace(" ", " " * times) + "\t") == suggest(name)


@pytest.mark.parametrize("added", SAYS_NOTHING)
def test_people_lengths_series_and_prices_do_not_change_the_category(added: str) -> None:
    changed = [name for name in NAMES if suggest(name + added).category != suggest(name).category]
    assert not [(name, suggest(name), suggest(name + added)) for name in changed if suggest(name).category]


def test_a_name_with_nothing_in_it_is_no_guess() -> None:
    for name in ("", "   ", "---", "🙂", "12345", "Zqxv"):
        answer = suggest(name)
        assert answer.category is None
        assert answer.confidence <= 0.1
        assert answer.needs_a_person


def test_no_category_always_needs_a_person() -> None:
    assert all(suggest(name).confidence < 0.6 for name in NAMES if suggest(name).category is None)
