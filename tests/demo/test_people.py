"""The made-up patients: always the same by number, never two alike in a practice, never real."""

import re

import pytest

from integrations.sandbox.demo.people import DIFFERENT, person
from integrations.sandbox.demo.practices import demo_practices


@pytest.mark.parametrize("slug", sorted(demo_practices()))
def test_people_of_a_practice_differ_in_name_mail_and_id(slug):
    practice = demo_practices()[slug]
    people = [person(practice, number) for number in range(DIFFERENT)]
    assert len({one.email for one in people}) == DIFFERENT
    assert len({one.client_id for one in people}) == DIFFERENT
    assert all(one.first_name != one.last_name for one in people)


def test_phones_of_the_people_of_one_time_differ_and_ring_nowhere():
    for practice in demo_practices().values():
        phones = [person(practice, number).mobile_phone for number in range(400)]
        assert len(set(phones)) == 400
        assert all(re.fullmatch(r"\(\d{3}\) 555-01\d\d", phone) for phone in phones)


def test_the_same_number_is_the_same_person_and_no_two_practices_share_ids():
    first, second = list(demo_practices().values())[:2]
    assert person(first, 7) == person(first, 7)
    ids = [
        {person(practice, number).client_id for number in range(DIFFERENT)} for practice in (first, second)
    ]
    assert not ids[0] & ids[1]
