"""The vocabulary's files: they agree with each other, and mistakes in them are said."""

from pathlib import Path

import pytest

from categorization import rules
from categorization.reading import read
from categorization.spelling import corrected
from categorization.vocabulary import FOLDER, KINDS, VocabularyError, load, vocabulary

SPELLINGS = "[signs]\n[misspelled]\n[endings]\n[right]\nwords = []\n"
GROUP = '[[group]]\nkind = "{kind}"\nterms = ["{term}"]\n'


def test_it_is_broad() -> None:
    assert len(vocabulary().terms) >= 700


def test_every_listed_term_is_found_by_its_own_text() -> None:
    for term in vocabulary().terms.values():
        assert term.kind in {found.term.kind for found in read(term.text).found} or term.kind == "negation", (
            term
        )


def test_every_kind_is_used() -> None:
    assert {term.kind for term in vocabulary().terms.values()} == set(KINDS)


def test_every_misspelling_leads_to_a_listed_word() -> None:
    known = vocabulary()
    assert not {wrong: right for wrong, right in known.misspelled.items() if right not in known.words}


def test_right_words_are_left_alone() -> None:
    assert not [word for word in vocabulary().right if corrected(word) != word]


def test_every_rule_says_in_words_what_it_does() -> None:
    assert not [rule for rule in rules.RULES if not (rule.__doc__ or "").strip()]


def folder(tmp_path: Path, **files: str) -> Path:
    (tmp_path / "spellings.toml").write_text(SPELLINGS)
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def test_a_term_with_two_meanings_is_refused(tmp_path: Path) -> None:
    made = folder(
        tmp_path, a=GROUP.format(kind="skin", term="Peel"), b=GROUP.format(kind="block", term="peels")
    )
    with pytest.raises(VocabularyError, match=r'b\.toml: "peels" is already listed as skin \("Peel"\)'):
        load(made)


def test_a_term_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match="magic is not a kind of term"):
        load(folder(tmp_path, a=GROUP.format(kind="magic", term="peel")))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"a\.toml"):
        load(folder(tmp_path, a="[["))


def test_no_term_stands_twice_in_the_files() -> None:
    import tomllib

    from categorization.words import split

    seen: dict[str, str] = {}
    twice = []
    for path in sorted(FOLDER.glob("*.toml")):
        for group in tomllib.loads(path.read_text(encoding="utf-8")).get("group", []):
            for term in group["terms"]:
                key = "".join(word.text for word in split(term, vocabulary().signs))
                if key in seen:
                    twice.append((path.name, term, seen[key]))
                seen[key] = term
    assert not twice
