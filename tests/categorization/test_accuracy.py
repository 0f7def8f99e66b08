"""How often the suggestions are right, on lists of names that people labelled."""

import pytest

from categorization.categories import Category
from categorization.suggest import SURE
from tests.categorization.labels import AMBIGUOUS, HELD_OUT, TUNED, Labelled, labelled


@pytest.fixture(params=[TUNED, HELD_OUT])
def rows(request: pytest.FixtureRequest) -> list[Labelled]:
    return labelled(request.param)


def said(rows: list[Labelled]) -> list[tuple[str, str, object]]:
    return [(row.name, row.expected, row.suggestion) for row in rows]


def test_the_lists_are_large_and_use_every_category() -> None:
    assert len(labelled(TUNED)) >= 400
    assert len(labelled(HELD_OUT)) >= 150
    used = {row.expected for row in labelled(TUNED)}
    assert used == {category.value for category in Category} | {AMBIGUOUS}


def test_clear_names_are_right(rows: list[Labelled]) -> None:
    clear = [row for row in rows if row.is_clear]
    wrong = [row for row in clear if not row.is_right]
    assert len(wrong) / len(clear) <= 0.02, said(wrong)


def test_every_category_is_right_by_itself(rows: list[Labelled]) -> None:
    for category in Category:
        of_it = [row for row in rows if row.expected == category]
        wrong = [row for row in of_it if not row.is_right]
        assert len(wrong) <= len(of_it) * 0.05, said(wrong)


def test_visits_that_move_nothing_are_not_put_where_they_would(rows: list[Labelled]) -> None:
    assert not said([row for row in rows if row.is_harmful])


def test_ambiguous_names_are_left_to_a_person(rows: list[Labelled]) -> None:
    guessed = [row for row in rows if not row.is_clear and row.suggestion.confidence >= SURE]
    assert not said(guessed)


def test_every_suggestion_gives_a_reason(rows: list[Labelled]) -> None:
    assert not said([row for row in rows if not row.suggestion.reason.strip()])
