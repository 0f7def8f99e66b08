"""kill -9 of the worker in the middle of a release: it goes on where it was, each note and each card once."""

import json
from collections.abc import Iterator

import pytest

from tests.categories.conftest import unsettled
from tests.faults.conftest import database_for_processes
from tests.faults.programs import manage
from tests.patientnow.clinic import practice_file
from tests.patientnow.installation import Installation, hang

pytestmark = pytest.mark.faults

PATIENTS = 12


@pytest.fixture
def bayside(tmp_path) -> Iterator[Installation]:
    """Everything running; nobody has confirmed what "Botox" counts as."""
    with database_for_processes() as url:
        made = Installation(tmp_path, url)
        try:
            made.build()
            file = practice_file(made.desk.base_url, categories=unsettled("Botox"))
            file["categories"].append(
                {"connection": "pnow", "type": "Botox", "purpose": "", "category": "", "confirmed": False}
            )
            made.run(*manage("import_practice", "-", "--provision"), given=json.dumps(file))
            made.serve()
            made.only_worker()
            yield made
        finally:
            made.close()


def test_a_worker_killed_in_the_middle_of_a_release(bayside: Installation) -> None:
    people = [str(bayside.desk.new_patient()["patientId"]) for _ in range(PATIENTS)]
    for who in people:
        bayside.notice(bayside.desk.book(who, type="Botox", facility="F1", days_ahead=3, seed=1))
    bayside.until(lambda: bayside.ask("unfinished") == 0, "every event is held")
    assert {event["state"] for event in bayside.events()} == {"held"}
    victim = bayside.only_worker()
    bayside.reaches(hang("POST /opportunities/", after=True), "opportunity_created")
    batch = bayside.ask("confirm_types", "bayside", {"Botox": "Non-Surgical Appointment"})
    bayside.reached("opportunity_created")
    victim.kill()
    assert bayside.ask("release_dead", victim.name) >= 1
    assert bayside.ask("progress", batch)["done"] < PATIENTS
    bayside.door("DELETE", "/faults")
    bayside.start_worker()
    bayside.until(lambda: bayside.ask("progress", batch)["is_finished"], "the release is over")
    assert bayside.ask("progress", batch) == {
        "total": PATIENTS,
        "done": PATIENTS,
        "moved": PATIENTS,
        "is_finished": True,
    }
    for who in people:
        contact = bayside.contact(who)
        cards = [(one["pipeline"], one["stage"], one["status"]) for one in contact["opportunities"]]
        assert cards == [("Non-Surgical", "Booked", "open")]
        assert len(contact["notes"]) == 1
    assert {event["state"] for event in bayside.events()} == {"done"}
