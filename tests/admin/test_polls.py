"""A polled connection's page: its polls, its buttons, tests, locations and back-fills."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.contract.errors import AuthError, TransientError
from integrations.contract.records import LocationRef
from integrations.emrs import registry
from integrations.models import (
    Backfill,
    BackfillState,
    Connection,
    InboundEvent,
    KnownRow,
    Lane,
    PollCursor,
    PollRun,
    Visit,
)
from integrations.models.people import Patient
from integrations.sync import circuit
from integrations.sync.emr_access import StoredTokens
from integrations.sync.golive import TESTED
from integrations.sync.polling.cursors import set_up_cursors
from tenants.models import Location, Membership, Practice, Role, User

pytestmark = pytest.mark.django_db
CREDENTIALS = {"firm_url_prefix": "bluestone", "username": "fhir_x", "password": "pw", "api_key": "key"}


@pytest.fixture
def practice() -> Practice:
    made = Practice(slug="bluestone", name="Bluestone", kind="plastic_surgery", time_zone="America/New_York")
    made.save()
    return made


@pytest.fixture
def connection(practice: Practice) -> Connection:
    found: Connection = Connection.objects.create(
        practice=practice, key="modmed", emr="modmed", credentials=CREDENTIALS
    )
    set_up_cursors()
    return found


def person(role: str, practice: Practice | None = None) -> Client:
    user = User.objects.create_user(
        f"{role}@example.com", company_role="" if practice else role, is_staff=role != Role.REVIEWER
    )
    if practice is not None:
        Membership.objects.create(practice=practice, user=user, role=role)
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def onboarding() -> Client:
    return person(Role.ONBOARDING)


class FakeEmr:
    """Answers what it was told to."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []

    def test(self, name: str) -> str:
        self.asked.append(name)
        answer = self.answers.get(name, f"{name} works.")
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    def locations(self) -> list[LocationRef]:
        found = self.answers["locations"]
        if isinstance(found, Exception):
            raise found
        return list(found)


@pytest.fixture
def emr(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(**answers: Any) -> FakeEmr:
        fake = FakeEmr(**answers)
        monkeypatch.setattr("integrations.admin.polls.client_for", lambda *args, **kwargs: fake)
        return fake

    return install


def page(client: Client, connection: Connection) -> str:
    answer = client.get(reverse("admin:integrations_connection_change", args=[connection.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def press(client: Client, connection: Connection, name: str) -> Any:
    url = reverse(f"admin:integrations_connection_{name}", args=[connection.pk])
    return client.post(url, {"_form_submitted": "True"}, follow=True)


def cursor(connection: Connection, resource: str = "appointments") -> PollCursor:
    return PollCursor.objects.for_practice(connection.practice_id).get(resource=resource)


def test_a_new_connection_waits_for_its_first_poll(onboarding, connection):
    text = page(onboarding, connection)
    assert "Waits for its first poll" in text
    assert "not read yet" in text


def test_the_last_day_of_polls_is_shown(onboarding, connection):
    now = timezone.now()
    row = cursor(connection)
    PollCursor.objects.for_practice(connection.practice_id).update(
        primed_at=now, watermark=now, last_read_at=now, next_at=now + timedelta(minutes=4)
    )
    PollRun.objects.bulk_create(
        PollRun(
            cursor=row, started_at=now - timedelta(minutes=5 * n), seconds=1, rows_seen=7, events=2, calls=3
        )
        for n in range(1, 4)
    )
    PollRun.objects.create(cursor=row, started_at=now - timedelta(hours=3), error="ModMed does not answer.")
    PollRun.objects.create(cursor=row, started_at=now - timedelta(hours=30), rows_seen=1000)
    text = page(onboarding, connection)
    assert "4 polls, 21 rows seen, 6 events made" in text
    assert "1 failed" in text
    assert "ModMed does not answer." in text
    assert "Up to date" in text


def test_the_page_asks_the_same_number_of_queries_however_many_polls(
    onboarding, connection, django_assert_max_num_queries
):
    row, now = cursor(connection), timezone.now()
    PollRun.objects.bulk_create(
        PollRun(cursor=row, started_at=now - timedelta(minutes=n), rows_seen=1) for n in range(200)
    )
    with django_assert_max_num_queries(45):
        page(onboarding, connection)


def test_refused_credentials_are_a_state_that_says_what_to_do(onboarding, connection):
    Connection.objects.for_practice(connection.practice_id).update(needs_reauth_since=timezone.now())
    text = page(onboarding, connection)
    assert "Needs new credentials" in text
    assert "after new credentials" in text


def test_poll_now_makes_every_resource_due(onboarding, connection):
    PollCursor.objects.for_practice(connection.practice_id).update(
        next_at=timezone.now() + timedelta(hours=1)
    )
    assert "within seconds" in press(onboarding, connection, "poll_now").content.decode()
    late = PollCursor.objects.for_practice(connection.practice_id).filter(next_at__gt=timezone.now())
    assert not late.exists()


def test_poll_now_says_that_credentials_are_refused(onboarding, connection):
    Connection.objects.for_practice(connection.practice_id).update(needs_reauth_since=timezone.now())
    assert "enter new ones first" in press(onboarding, connection, "poll_now").content.decode()


def test_support_may_poll_but_neither_test_nor_back_fill(connection):
    support = person(Role.SUPPORT)
    assert "within seconds" in press(support, connection, "poll_now").content.decode()
    for name in ("connection-test", "connection-backfill"):
        assert support.get(reverse(f"admin:{name}", args=[connection.pk])).status_code == 403


@pytest.mark.parametrize("name", ["connection-test", "connection-backfill"])
def test_another_practices_people_find_nothing(connection, name):
    other = Practice(slug="harbor", name="Harbor", kind="med_spa", time_zone="America/New_York")
    other.save()
    stranger = person(Role.ONBOARDING, other)
    assert stranger.get(reverse(f"admin:{name}", args=[connection.pk])).status_code == 404


def test_testing_tries_each_capability_and_keeps_who_did_it(onboarding, connection, emr):
    fake = emr()
    answer = onboarding.post(reverse("admin:connection-test", args=[connection.pk]))
    assert "Everything works." in answer.content.decode()
    assert fake.asked[0] == "sign_in"
    assert len(fake.asked) == 7
    connection.refresh_from_db()
    assert connection.ticks[TESTED]["by"]


def test_a_failed_sign_in_stops_the_test_and_names_the_credentials(onboarding, connection, emr):
    connection.ticks = {TESTED: {"by": "x", "at": "y"}}
    connection.save()
    fake = emr(sign_in=AuthError("ModMed refuses the FHIR user name or password.", status=401))
    text = onboarding.post(reverse("admin:connection-test", args=[connection.pk])).content.decode()
    assert fake.asked == ["sign_in"]
    assert "Look at: FHIR user name" in text
    assert "Not tried" in text
    connection.refresh_from_db()
    assert TESTED not in connection.ticks


def test_one_resource_that_is_not_allowed_fails_alone(onboarding, connection, emr):
    emr(charges=AuthError("ModMed does not allow ChargeItem.", status=403))
    text = onboarding.post(reverse("admin:connection-test", args=[connection.pk])).content.decode()
    assert text.count("ax-label ax-success") == 6
    assert "ModMed does not allow ChargeItem." in text


@pytest.fixture
def refused(connection: Connection) -> Connection:
    """Credentials that were refused an hour ago: nothing is polled, and a visit waits."""
    circuit.refused(Connection, connection.pk, connection.practice_id, "ModMed refuses the password.")
    hour = timedelta(hours=1)
    Connection.objects.filter(pk=connection.pk).update(needs_reauth_since=timezone.now() - hour)
    PollCursor.objects.filter(connection=connection).update(next_at=timezone.now() + hour, failures=3)
    lane = Lane.objects.create(practice=connection.practice, key="visit", next_at=timezone.now() + hour)
    InboundEvent.objects.create(
        practice=connection.practice,
        connection=connection,
        lane=lane,
        kind="appointment",
        state="waiting",
        received_at=timezone.now(),
    )
    connection.refresh_from_db()
    return connection


def test_a_fine_test_lets_a_refused_connection_go_on(onboarding, refused, emr):
    tokens = StoredTokens(refused.pk)
    tokens.renew(lambda stored: {"access_token": "made by the test"})
    emr()
    text = onboarding.post(reverse("admin:connection-test", args=[refused.pk])).content.decode()
    assert "count again: what waited goes on" in text
    refused.refresh_from_db()
    assert refused.needs_reauth_since is None
    assert not refused.incidents.filter(closed_at=None).exists()
    assert not PollCursor.objects.filter(connection=refused, next_at__gt=timezone.now()).exists()
    assert not PollCursor.objects.filter(connection=refused, failures__gt=0).exists()
    assert Lane.objects.get(practice=refused.practice).next_at <= timezone.now()
    assert tokens.read() == {"access_token": "made by the test"}
    again = onboarding.post(reverse("admin:connection-test", args=[refused.pk])).content.decode()
    assert "count again" not in again


@pytest.mark.parametrize("failing", ["sign_in", "charges"])
def test_a_test_that_fails_anywhere_leaves_the_refusal(onboarding, refused, emr, failing):
    emr(**{failing: AuthError("ModMed refuses.", status=401)})
    text = onboarding.post(reverse("admin:connection-test", args=[refused.pk])).content.decode()
    assert "count again" not in text
    refused.refresh_from_db()
    assert refused.needs_reauth_since is not None
    assert refused.incidents.filter(closed_at=None, kind="needs_reauth").exists()
    assert Lane.objects.get(practice=refused.practice).next_at > timezone.now()


def test_a_refusal_that_comes_during_a_test_stays(onboarding, connection, emr):
    class LateRefusal(str):
        def __str__(self) -> str:
            circuit.refused(Connection, connection.pk, connection.practice_id, "ModMed refuses the password.")
            return "7 locations."

    emr(locations=LateRefusal())
    onboarding.post(reverse("admin:connection-test", args=[connection.pk]))
    connection.refresh_from_db()
    assert connection.needs_reauth_since is not None


@pytest.mark.parametrize("slug", sorted(slug for slug, emr in registry().items() if emr.has_part("client")))
def test_the_first_thing_that_a_test_tries_is_to_sign_in(slug):
    assert registry()[slug].part("client").CAPABILITIES[0].name == "sign_in"


def test_what_is_switched_off_need_not_work(onboarding, practice, emr):
    row = Connection.objects.create(
        practice=practice, key="nx", emr="nextech_cloud", credentials={"username": "x"}
    )
    fake = emr()
    onboarding.post(reverse("admin:connection-test", args=[row.pk]))
    assert "payments" not in fake.asked
    row.switches = {"payments": True}
    row.save()
    onboarding.post(reverse("admin:connection-test", args=[row.pk]))
    assert "payments" in fake.asked


def test_an_emr_without_an_api_has_no_test(onboarding, practice):
    row = Connection.objects.create(practice=practice, key="apro", emr="aestheticspro")
    assert onboarding.get(reverse("admin:connection-test", args=[row.pk])).status_code == 404
    assert "Polls, last 24 hours" not in page(onboarding, row)


def test_locations_are_pulled_and_renamed_never_deleted(onboarding, connection, emr):
    for external_id, name in (("1", "Old name"), ("9", "Gone")):
        Location.objects.create(practice=connection.practice, external_id=external_id, name=name)
    emr(locations=[LocationRef("1", "Downtown"), LocationRef("2", "Uptown")])
    text = press(onboarding, connection, "pull_locations").content.decode()
    assert "added Uptown; renamed Downtown" in text
    rows = Location.objects.for_practice(connection.practice_id).values_list("external_id", "name")
    assert dict(rows) == {"1": "Downtown", "2": "Uptown", "9": "Gone"}


def test_locations_that_cannot_be_read_are_said_in_words(onboarding, connection, emr):
    emr(locations=TransientError("ModMed does not answer."))
    assert "ModMed does not answer." in press(onboarding, connection, "pull_locations").content.decode()


def test_a_back_fill_is_estimated_then_started_then_stopped(onboarding, connection):
    url = reverse("admin:connection-backfill", args=[connection.pk])
    assert "Not yet" in onboarding.get(url).content.decode()
    now = timezone.now()
    PollCursor.objects.for_practice(connection.practice_id).update(primed_at=now, watermark=now)
    wanted = {"resource": "appointments", "since": (now - timedelta(days=60)).date().isoformat()}
    text = onboarding.post(url, wanted | {"_estimate": "1"}).content.decode()
    assert "About 0 records" in text
    assert not Backfill.objects.across_practices().exists()
    onboarding.post(url, wanted | {"_start": "1"})
    row = Backfill.objects.across_practices().get()
    assert (row.state, row.cursor.resource) == (BackfillState.WAITING, "appointments")
    again = onboarding.post(url, wanted | {"_start": "1"}, follow=True).content.decode()
    assert "One goes on already" in again
    assert "Back-fill: Appointments" in page(onboarding, connection)
    assert "Stopped." in press(onboarding, connection, "stop_backfill").content.decode()
    row.refresh_from_db()
    assert row.state == BackfillState.STOPPED


def test_a_back_fill_from_tomorrow_is_refused(onboarding, connection):
    PollCursor.objects.for_practice(connection.practice_id).update(primed_at=timezone.now())
    wanted = {
        "resource": "patients",
        "since": (timezone.now() + timedelta(days=2)).date().isoformat(),
        "_start": "1",
    }
    text = onboarding.post(
        reverse("admin:connection-backfill", args=[connection.pk]), wanted
    ).content.decode()
    assert "Choose a day that is over." in text


def test_visits_that_have_gone_are_listed(onboarding, connection):
    row = cursor(connection)
    KnownRow.objects.create(cursor=row, external_id="204001", digest="x", missing_since=timezone.now())
    patient = Patient.objects.create(
        practice=connection.practice, connection=connection, external_id="385001"
    )
    Visit.objects.create(
        practice=connection.practice,
        connection=connection,
        patient=patient,
        external_id="204001",
        visit_on=timezone.now().date(),
        type="Botox",
    )
    text = page(onboarding, connection)
    assert "Not in the EMR any more" in text
    assert "204001" in text


def test_new_credentials_forget_tokens_and_poll_at_once(onboarding, connection):
    tokens = StoredTokens(connection.pk)
    tokens.renew(lambda stored: {"access_token": "old"})
    Connection.objects.for_practice(connection.practice_id).update(needs_reauth_since=timezone.now())
    PollCursor.objects.for_practice(connection.practice_id).update(
        next_at=timezone.now() + timedelta(hours=1)
    )
    url = reverse("admin:integrations_connection_change", args=[connection.pk])
    form = onboarding.get(url).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value not in (None, False)}
    data |= {"credential_password": "a new one"}
    answer = onboarding.post(url, data, follow=True)
    assert "not tested yet" in answer.content.decode()
    assert tokens.read() == {}
    connection.refresh_from_db()
    assert connection.needs_reauth_since is None
    late = PollCursor.objects.for_practice(connection.practice_id).filter(next_at__gt=timezone.now())
    assert not late.exists()
