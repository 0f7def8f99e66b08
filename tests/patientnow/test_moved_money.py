"""Bills that were counted on the wrong person: what is taken back later comes off where the money is by then."""

from decimal import Decimal

import pytest

from integrations.models import IdentityQuestion
from integrations.sync import answering
from tenants.models import User
from tests.patientnow.clinic import Clinic, Json
from tests.patientnow.test_money import VALUE, bill_of

MOTHER = {
    "firstName": "Alba",
    "lastName": "Winter",
    "email": "alba@example.com",
    "cellPhone": "305-555-0101",
    "dateOfBirth": "1970-05-01",
}
DAUGHTER = MOTHER | {"firstName": "Bea", "email": "bea@example.com", "dateOfBirth": "1999-02-03"}


@pytest.fixture
def somebody(db: None) -> User:
    return User.objects.create_user("support@example.com", company_role="support")


def values(clinic: Clinic) -> dict[str, Decimal]:
    """Lifetime value by the e-mail of the contact."""
    return {row["native"]["email"]: Decimal(str(row["fields"].get(VALUE) or 0)) for row in clinic.contacts()}


def mixed_up(clinic: Clinic, somebody: User) -> tuple[Json, Json]:
    """The daughter was said to be her mother, and her bill of 200 counted there beside her mother's of 350. The
    notices of both bills, the mother's first."""
    mother, daughter = clinic.patient(**MOTHER), clinic.patient(**DAUGHTER)
    bills = bill_of(clinic, mother, "350.00"), bill_of(clinic, daughter, "200.00")
    clinic.take(*bills)
    question = IdentityQuestion.objects.for_practice(clinic.practice).get()
    answering.answer(question, IdentityQuestion.Answer.LINK, somebody, str(question.candidate_crm_ids[0]))
    clinic.work()
    assert list(values(clinic).values()) == [Decimal(550)]
    return bills


def part(clinic: Clinic, somebody: User) -> None:
    """A person says that they are two. As the page asks, the mother's contact gets back what is hers before."""
    question = IdentityQuestion.objects.for_practice(clinic.practice).get()
    her_own = {"email": MOTHER["email"], "firstName": MOTHER["firstName"]}
    clinic.api("PUT", f"/contacts/{question.candidate_crm_ids[0]}", her_own)
    version = answering.version_of(question)
    answering.change(question, IdentityQuestion.Answer.CREATE, somebody, "", version=version)
    clinic.work()


@pytest.mark.parametrize("way", ["void", "refund"])
def test_what_was_moved_is_taken_back_where_it_is_now(clinic, somebody, way):
    _, bill = mixed_up(clinic, somebody)
    part(clinic, somebody)
    assert values(clinic) == {MOTHER["email"]: Decimal(350), DAUGHTER["email"]: Decimal(200)}
    clinic.later()
    clinic.take(getattr(clinic.desk, way)(bill["billId"]))
    assert values(clinic) == {MOTHER["email"]: Decimal(350), DAUGHTER["email"]: Decimal(0)}
    assert {row.state for row in clinic.ledger()} == {"written"}


@pytest.mark.parametrize("way", ["void", "refund"])
def test_what_was_taken_back_before_is_not_moved(clinic, somebody, way):
    _, bill = mixed_up(clinic, somebody)
    clinic.later()
    clinic.take(getattr(clinic.desk, way)(bill["billId"]))
    part(clinic, somebody)
    assert values(clinic)[MOTHER["email"]] == Decimal(350)
    assert values(clinic).get(DAUGHTER["email"], Decimal(0)) == 0


def test_told_once_more_after_the_move_a_bill_counts_for_nothing(clinic, somebody):
    _, bill = mixed_up(clinic, somebody)
    part(clinic, somebody)
    clinic.later()
    void = clinic.desk.void(bill["billId"])
    clinic.take(void)
    for notice in (bill, void):
        clinic.take({**notice, "eventId": f"{notice['eventId']}-again"})
    assert values(clinic) == {MOTHER["email"]: Decimal(350), DAUGHTER["email"]: Decimal(0)}


@pytest.mark.parametrize("way", ["void", "refund"])
def test_her_mothers_bill_comes_off_her_mother(clinic, somebody, way):
    mothers, _ = mixed_up(clinic, somebody)
    part(clinic, somebody)
    clinic.later()
    clinic.take(getattr(clinic.desk, way)(mothers["billId"]))
    assert values(clinic) == {MOTHER["email"]: Decimal(0), DAUGHTER["email"]: Decimal(200)}
