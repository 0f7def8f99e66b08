"""What else is known of a type, besides its name: purpose, class, length, kind of practice, what others confirmed."""

import pytest

from categorization.categories import Category
from categorization.suggest import SURE, Evidence, evidence_key, suggest

SURGICAL_CONSULT, SURGICAL = Category.SURGICAL_CONSULT, Category.SURGICAL_APPOINTMENT
CONSULT, TREATMENT = Category.NON_SURGICAL_CONSULT, Category.NON_SURGICAL_APPOINTMENT


def test_the_reason_names_the_words_as_typed() -> None:
    answer = suggest("Breast Implants Consults")
    assert answer.category is SURGICAL_CONSULT
    assert answer.reason == "'consults' with a named surgery ('breast implants')"


def test_a_misspelled_word_is_read_with_less_certainty_and_said() -> None:
    right, wrong = suggest("Rhinoplasty"), suggest("Rhinoplastey")
    assert wrong.category is right.category is SURGICAL
    assert wrong.confidence <= right.confidence
    assert "read 'rhinoplastey' as 'rhinoplasty'" in wrong.reason


@pytest.mark.parametrize(
    "surname", ["Lynch", "Bloch", "Burns", "Moss", "Hand", "Peel", "Tammy", "Frank", "Grace"]
)
def test_a_surname_is_no_misspelled_or_listed_word(surname: str) -> None:
    assert suggest(f"Consult - Dr. {surname}").category is None
    assert suggest(f"Botox with Dr {surname}").category is TREATMENT


@pytest.mark.parametrize(
    ("purpose", "category"),
    [
        ("Rhinoplasty", Category.POST_OP),
        ("Dysport", TREATMENT),
        ("Pre-Op", Category.PRE_OP),
        ("Lunch", Category.BLOCKED),
        ("Follow up", None),
    ],
)
def test_a_purpose_settles_what_a_generic_type_leaves_open(purpose: str, category: Category | None) -> None:
    assert suggest("Follow Up", purposes=[purpose]).category is category


def test_a_type_and_a_purpose_that_disagree_are_left_to_a_person() -> None:
    answer = suggest("Surgery Cosmetic", purposes=["Chemical Peel"])
    assert answer.needs_a_person
    assert "disagree" in answer.reason


def test_class_office_is_no_patients_visit() -> None:
    assert suggest("XYZ", type_class="Office").category is Category.BLOCKED
    assert suggest("Botox", type_class="OFFICE ").confidence < SURE
    assert suggest("Post Op", type_class="Office").category is Category.POST_OP


def test_class_appointment_doubts_a_bare_surgery() -> None:
    assert suggest("Tummy Tuck", type_class="Appointment").confidence < SURE
    assert suggest("Surgery - Tummy Tuck", type_class="Appointment").confidence >= SURE


def test_class_procedure_supports_a_small_procedure_and_doubts_a_consult() -> None:
    assert suggest("Cyst excision", type_class="Procedure").confidence > suggest("Cyst excision").confidence
    assert suggest("Botox consult", type_class="Procedure").confidence < suggest("Botox consult").confidence


def test_another_class_is_read_like_a_purpose() -> None:
    assert suggest("Consult", type_class="Injectables").category is CONSULT


def test_fifteen_minutes_are_no_surgery() -> None:
    assert suggest("Rhinoplasty", minutes=15).confidence < SURE
    assert suggest("Rhinoplasty 15 min").confidence < SURE
    assert suggest("Rhinoplasty", minutes=180).confidence >= SURE
    assert suggest("Cyst excision", minutes=15).confidence >= SURE


def test_a_long_procedure_leans_to_surgery_but_a_person_looks() -> None:
    answer = suggest("Procedure", minutes=180)
    assert (answer.category, answer.needs_a_person) == (SURGICAL, True)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("Consult", CONSULT),
        ("BBL", TREATMENT),
        ("Body contouring", TREATMENT),
        ("Facelift", TREATMENT),
        ("Breast augmentation consult", CONSULT),
        ("Post Op", Category.POST_OP),
        ("Lunch", Category.BLOCKED),
    ],
)
def test_a_med_spa_has_nothing_surgical(name: str, category: Category) -> None:
    answer = suggest(name, kind="med_spa")
    assert answer.category is category
    assert answer.confidence >= SURE


def test_a_purely_surgical_practice_leans_but_does_not_decide() -> None:
    answer = suggest("Consult", kind="plastic_surgery")
    assert (answer.category, answer.needs_a_person) == (SURGICAL_CONSULT, True)


def test_online_appointment_is_suggested_only_where_the_emr_has_it() -> None:
    assert suggest("Online Book").category is Category.ONLINE
    without = suggest("Online Book", offers_online=False)
    assert without.category is None
    assert without.needs_a_person


def test_a_web_slot_for_something_named_is_left_to_a_person() -> None:
    answer = suggest("Online Booking - Botox")
    assert (answer.category, answer.needs_a_person) == (TREATMENT, True)


class TestEvidence:
    def evidence(self, name: str, **counts: int) -> Evidence:
        return {evidence_key(name): {Category[category]: count for category, count in counts.items()}}

    def test_it_answers_what_the_words_leave_open(self) -> None:
        evidence = self.evidence("skinfit level 2", NON_SURGICAL_APPOINTMENT=4)
        answer = suggest(
            " SkinFit  - LEVEL 2", evidence=self.evidence("SkinFit - Level 2", NON_SURGICAL_APPOINTMENT=4)
        )
        assert suggest("SkinFit - Level 2", evidence=evidence).category is None
        assert answer.category is TREATMENT
        assert answer.confidence >= SURE
        assert answer.reason.startswith("4 of 4 practices confirmed Non-Surgical Appointment")

    def test_one_practice_alone_does_not_decide(self) -> None:
        assert suggest("BBL", evidence=self.evidence("BBL", SURGICAL_APPOINTMENT=1)).needs_a_person

    def test_practices_that_disagree_do_not_decide(self) -> None:
        evidence = self.evidence("BBL", SURGICAL_APPOINTMENT=6, NON_SURGICAL_APPOINTMENT=5)
        assert suggest("BBL", evidence=evidence).needs_a_person

    def test_agreement_makes_surer(self) -> None:
        evidence = self.evidence("Cyst excision", SURGICAL_APPOINTMENT=5)
        assert suggest("Cyst excision", evidence=evidence).confidence > suggest("Cyst excision").confidence

    def test_against_clear_words_it_only_raises_a_doubt(self) -> None:
        answer = suggest("Post Op", evidence=self.evidence("Post Op", NON_SURGICAL_APPOINTMENT=9))
        assert answer.category is Category.POST_OP
        assert answer.needs_a_person

    def test_it_never_moves_a_doubtful_post_op(self) -> None:
        answer = suggest("1 week", evidence=self.evidence("1 week", NON_SURGICAL_APPOINTMENT=9))
        assert answer.category is Category.POST_OP

    def test_its_key_is_the_normalized_name_with_the_purposes(self) -> None:
        assert evidence_key("  New   Patient ", ["Botox", ""]) == "new patient / botox"

    def test_an_empty_count_is_no_evidence(self) -> None:
        assert suggest("BBL", evidence={"bbl": {}}) == suggest("BBL")


@pytest.mark.parametrize("category", list(Category))
def test_a_type_named_like_a_category_is_that_category(category: Category) -> None:
    assert suggest(category.value).category is category
