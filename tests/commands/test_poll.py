"""`poll`: one poll now, or what it would store."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations.emrs.modmed.pretend import cast, shapes
from integrations.models import Connection, InboundEvent, KnownRow, PollCursor, PollRun
from integrations.sync.polling import cursors
from tests.polling.conftest import crm, firm, modmed, sandbox  # noqa: F401  (fixtures)
from tests.polling.test_flow_rows import NOW, PERSON, visit


def polled(*words: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("poll", *words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_first_poll_records_and_the_next_ones_bring_events(modmed: Connection, firm: Any) -> None:  # noqa: F811
    firm.save(shapes.patient(PERSON, NOW), visit("booked"))
    out, _ = polled("bluestone/modmed")
    assert "appointments: 1 rows in" in out
    assert out.count("recorded, nothing is written") == 2
    assert not InboundEvent.objects.across_practices().exists()
    firm.save(visit("cancelled"))
    assert "appointments: 1 rows in 2 requests" in polled("bluestone/modmed")[0]
    assert InboundEvent.objects.across_practices().count() == 1


def test_a_dry_run_says_what_it_would_store_and_stores_nothing(modmed: Connection, firm: Any) -> None:  # noqa: F811
    polled("bluestone/modmed")
    firm.save(visit("booked"))
    before = PollRun.objects.across_practices().count()
    out, _ = polled("bluestone/modmed", "--dry-run")
    assert f"  9001  {NOW.isoformat()}  event" in out
    assert not InboundEvent.objects.across_practices().exists()
    assert not KnownRow.objects.across_practices().exists()
    assert PollRun.objects.across_practices().count() == before


def test_a_dry_run_before_the_first_poll_says_that_rows_are_recorded(modmed: Connection, firm: Any) -> None:  # noqa: F811
    firm.save(visit("booked"))
    assert "  recorded" in polled("bluestone/modmed", "--dry-run")[0]
    assert PollCursor.objects.across_practices().filter(primed_at__isnull=False).count() == 0


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_what_cannot_be_read_is_said_and_ends_with_an_error(
    modmed: Connection, firm: Any, words: Any
) -> None:  # noqa: F811
    firm.set_up(forbidden=["Patient"])
    err = StringIO()
    with pytest.raises(CommandError, match="Not read: patients"):
        call_command("poll", "bluestone/modmed", *words, stdout=StringIO(), stderr=err)
    assert "patients: ModMed" in err.getvalue()


def test_a_resource_that_a_worker_polls_is_left_alone(modmed: Connection, firm: Any) -> None:  # noqa: F811
    row = PollCursor.objects.across_practices().get(resource="appointments")
    assert cursors.claim_one(row.pk, "another worker")
    with pytest.raises(CommandError, match="Not read: appointments"):
        polled("bluestone/modmed")


def test_an_unknown_connection_is_refused_with_the_known_ones(modmed: Connection) -> None:  # noqa: F811
    with pytest.raises(CommandError, match="There is bluestone/modmed"):
        polled("bluestone/nobody")


def test_an_emr_that_posts_is_not_polled(modmed: Connection) -> None:  # noqa: F811
    Connection.objects.create(practice=modmed.practice, key="apro", emr="aestheticspro")
    with pytest.raises(CommandError, match="sends its events by itself"):
        polled("bluestone/apro")


def test_nobody_is_named_in_what_is_printed(modmed: Connection, firm: Any) -> None:  # noqa: F811
    polled("bluestone/modmed")
    firm.save(shapes.patient(PERSON, NOW), visit("booked"))
    out, err = polled("bluestone/modmed", "--dry-run")
    for secret in (PERSON.last_name, PERSON.email, PERSON.phone, cast.patient(0).first_name):
        assert secret not in out + err
