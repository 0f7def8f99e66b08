"""`manage.py seed_demo`: four practices ready to look at; a second time changes nothing."""

import json
import stat

import pytest
from django.core.management import CommandError, call_command

from integrations.contract.stories import STANDING_DAYS
from integrations.demo_sender import is_awake, send_opening
from integrations.emrs import emr_for
from integrations.models import Connection, CustomField, InboundEvent, Stage, Visit
from integrations.sandbox.demo.practices import demo_practices
from tenants.models import Practice, Role, User
from tests.demo.conftest import poll, work


def test_outside_the_demo_nothing_is_made(db, settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="up --demo"):
        call_command("seed_demo")


def test_a_sandbox_that_does_not_answer_is_told_in_words(db, sandbox, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match="does not answer"):
        call_command("seed_demo")


def test_four_live_practices_with_a_connection_each(seeded):
    practices = Practice.objects.across_practices()
    assert sorted(practices.values_list("slug", "state")) == [
        (slug, "live") for slug in ("bluestone", "harbor", "juniper", "northlight")
    ]
    rows = Connection.objects.across_practices().values_list("practice__slug", "emr")
    assert dict(rows) == {slug: one.emr.slug for slug, one in demo_practices().items()}


def test_a_polled_practice_can_be_read_at_once_and_the_first_poll_writes_nothing(seeded):
    for slug in ("bluestone", "northlight"):
        assert not is_awake(demo_practices()[slug])
        poll(slug)
        assert is_awake(demo_practices()[slug])
        visits = Visit.objects.across_practices().filter(practice__slug=slug)
        assert visits.count() == len(STANDING_DAYS)
    assert not InboundEvent.objects.across_practices().exists()
    assert seeded.summary("SandboxBluestone0001")["contacts"] == 0


def test_the_custom_fields_are_provisioned_into_the_emrs_folder(seeded):
    practice = demo_practices()["harbor"]
    wanted = {field.name for field in emr_for("aestheticspro").manifest.fields}
    fields = seeded.sub_account(practice.crm_ids[0])["custom_fields"]
    folder = next(key for key, name in fields["folders"].items() if name == "Aesthetics Pro")
    assert wanted == {one["name"] for one in fields["fields"] if one["parentId"] == folder}
    known = CustomField.objects.across_practices().filter(sub_account__practice__slug="harbor")
    assert wanted <= set(known.values_list("name", flat=True))


def test_the_stages_are_those_of_the_sandbox(seeded):
    crm = {
        stage["id"]
        for practice in demo_practices().values()
        for crm_id in practice.crm_ids
        for pipeline in seeded.sub_account(crm_id)["pipelines"]
        for stage in pipeline["stages"]
    }
    assert set(Stage.objects.across_practices().values_list("crm_id", flat=True)) == crm


def test_the_sign_in_is_kept_for_its_owner_only_and_works(seeded, settings, client):
    path = settings.DATA_DIR / "demo.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sign_in = json.loads(path.read_text())
    assert set(sign_in) == {"email", "password"}
    assert sign_in["email"] == "demo@example.com"
    answer = client.post("/login/", {"username": sign_in["email"], "password": sign_in["password"]})
    assert answer.status_code == 302


def test_there_is_a_support_agent_and_a_reviewer_who_is_no_staff(seeded):
    support = User.objects.get(email="support@example.com")
    reviewer = User.objects.get(email="reviewer@example.com")
    practice = Practice.objects.across_practices().get(slug="bluestone")
    assert support.is_staff
    assert not support.is_superuser
    assert support.company_role == Role.SUPPORT
    assert not reviewer.is_staff
    assert reviewer.role_in(practice) == Role.REVIEWER


def test_a_second_time_changes_nothing(seeded, settings):
    before = (settings.DATA_DIR / "demo.json").read_text()
    keys = sorted(Connection.objects.across_practices().values_list("webhook_key", flat=True))
    versions = sorted(Practice.objects.across_practices().values_list("slug", "config_version"))
    call_command("seed_demo")
    assert (settings.DATA_DIR / "demo.json").read_text() == before
    assert sorted(Connection.objects.across_practices().values_list("webhook_key", flat=True)) == keys
    assert sorted(Practice.objects.across_practices().values_list("slug", "config_version")) == versions
    assert User.objects.count() == 3


def test_a_lost_sign_in_is_made_again(seeded, settings, client):
    (settings.DATA_DIR / "demo.json").unlink()
    call_command("seed_demo")
    sign_in = json.loads((settings.DATA_DIR / "demo.json").read_text())
    assert User.objects.get(email="demo@example.com").check_password(sign_in["password"])


def test_before_the_web_server_runs_no_event_is_sent(seeded):
    assert not InboundEvent.objects.across_practices().exists()


def stages_of(door, slug):
    """Stage name → number of cards, of both pipelines together."""
    crm_ids = demo_practices()[slug].crm_ids
    pipelines = [one for crm_id in crm_ids for one in door.board(crm_id, 10)["pipelines"]]
    found = {}
    for stage in (stage for pipeline in pipelines for stage in pipeline["stages"]):
        found[stage["name"]] = found.get(stage["name"], 0) + stage["count"]
    return found


@pytest.mark.django_db(transaction=True)
def test_the_first_events_fill_the_boards_of_those_who_post_once(running):
    work()
    for slug in ("harbor", "juniper"):
        stages = stages_of(running, slug)
        assert stages["Booked"] + stages.get("Consult Booked", 0) >= 2
        assert stages["Patient"] + stages.get("Consult Complete", 0) >= 2
        assert stages["Cancelled / No-Show"] >= 2
    sent = InboundEvent.objects.across_practices().count()
    assert set(InboundEvent.objects.across_practices().values_list("state", flat=True)) == {"done"}
    call_command("seed_demo")
    assert InboundEvent.objects.across_practices().count() == sent


@pytest.mark.parametrize("slug", ["bluestone", "northlight"])
def test_the_first_happenings_fill_every_stage_of_those_who_are_polled_once(seeded, slug):
    practice = demo_practices()[slug]
    assert send_opening(practice) == 0
    poll(slug)
    assert send_opening(practice) > 8
    poll(slug)
    work()
    assert all(stages_of(seeded, slug).values())
    assert set(InboundEvent.objects.across_practices().values_list("state", flat=True)) == {"done", "held"}
    assert InboundEvent.objects.across_practices().filter(state="held").count() == 1
    assert send_opening(practice) == 0
