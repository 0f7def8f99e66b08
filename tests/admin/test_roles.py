"""Who may do what: the table, and the ways in which somebody could try to get more."""

import pytest
from django.urls import reverse

from integrations.models import Connection, SubAccount
from tenants.models import Membership, Role, User
from tenants.roles import RIGHTS, Right, may, people_for, practice_ids_with, rights_in, roles_to_give
from tests.admin.conftest import World, make_world, person, signed_in


def people_tab(world: World, *rows: dict[str, str], initial: int = 0) -> dict[str, str]:
    """What the practice page posts, with these rows under People."""
    data = {
        "name": world.practice.name,
        "kind": world.practice.kind,
        "country": "US",
        "time_zone": "America/New_York",
    }
    for prefix in ("locations", "connections", "sub_accounts"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    data |= {"memberships-TOTAL_FORMS": str(len(rows)), "memberships-INITIAL_FORMS": str(initial)}
    for number, row in enumerate(rows):
        data |= {f"memberships-{number}-{name}": value for name, value in row.items()}
        data[f"memberships-{number}-practice"] = str(world.practice.pk)
    return data


def practice_url(world: World) -> str:
    return reverse("admin:tenants_practice_change", args=[world.practice.pk])


def test_an_administrator_has_every_right() -> None:
    assert RIGHTS[Role.ADMINISTRATOR] == frozenset(Right)


def test_an_onboarding_specialist_does_everything_but_go_live_over_red_checks() -> None:
    assert frozenset(Right) - RIGHTS[Role.ONBOARDING] == {Right.GO_LIVE}


def test_a_support_agent_reads_and_acts_but_configures_nothing() -> None:
    assert RIGHTS[Role.SUPPORT] == {Right.SEE, Right.REVEAL, Right.OPERATE}


def test_a_reviewer_only_categorizes() -> None:
    assert RIGHTS[Role.REVIEWER] == {Right.CATEGORIZE}


def test_rights_count_in_the_own_practice_only(world: World, other: World, agent: User) -> None:
    assert may(agent, Right.OPERATE, world.practice)
    assert not may(agent, Right.SEE, other.practice)
    assert may(agent, Right.SEE)
    assert practice_ids_with(agent, Right.SEE) == [world.practice.pk]
    assert practice_ids_with(agent, Right.CONFIGURE) == []


def test_a_company_role_counts_everywhere(world: World, other: World) -> None:
    olive = person("olive@example.com", company_role=Role.ONBOARDING)
    assert may(olive, Right.CONFIGURE, other.practice)
    assert practice_ids_with(olive, Right.CONFIGURE) is None
    assert practice_ids_with(olive, Right.GO_LIVE) == []


def test_nobody_has_rights_when_switched_off(world: World, agent: User) -> None:
    agent.is_active = False
    assert rights_in(agent, world.practice) == frozenset()
    assert not may(agent, Right.SEE)


def test_a_person_gives_no_role_with_more_rights_than_their_own(
    world: World, other: World, specialist: User, administrator: User, agent: User
) -> None:
    assert set(roles_to_give(specialist, world.practice)) == {Role.ONBOARDING, Role.SUPPORT, Role.REVIEWER}
    assert set(roles_to_give(administrator, world.practice)) == set(Role.values)
    assert roles_to_give(administrator, other.practice) == []
    assert roles_to_give(agent, world.practice) == []


def test_a_specialist_gives_a_role_and_the_staff_application_opens(world: World, specialist: User) -> None:
    new = person("new@example.com", world.practice, Role.REVIEWER)
    row = Membership.objects.for_practice(world.practice).get(user=new)
    rows = [{"id": str(row.pk), "user": str(new.pk), "role": Role.SUPPORT}]
    answer = signed_in(specialist).post(practice_url(world), people_tab(world, *rows, initial=1))
    assert answer.status_code == 302
    new.refresh_from_db()
    assert new.is_staff
    assert User.objects.get(pk=new.pk).role_in(world.practice) == Role.SUPPORT


def test_a_specialist_cannot_make_anybody_an_administrator(
    world: World, specialist: User, agent: User
) -> None:
    row = Membership.objects.for_practice(world.practice).get(user=agent)
    rows = [{"id": str(row.pk), "user": str(agent.pk), "role": Role.ADMINISTRATOR}]
    answer = signed_in(specialist).post(practice_url(world), people_tab(world, *rows, initial=1))
    assert answer.status_code == 200
    assert "You may not give or take away" in answer.content.decode()
    row.refresh_from_db()
    assert row.role == Role.SUPPORT


def test_a_specialist_cannot_remove_an_administrator(
    world: World, specialist: User, administrator: User
) -> None:
    row = Membership.objects.for_practice(world.practice).get(user=administrator)
    rows = [{"id": str(row.pk), "user": str(administrator.pk), "role": row.role, "DELETE": "on"}]
    signed_in(specialist).post(practice_url(world), people_tab(world, *rows, initial=1))
    assert Membership.objects.for_practice(world.practice).filter(pk=row.pk).exists()


def test_a_person_of_another_practice_cannot_be_pulled_in(
    world: World, other: World, specialist: User
) -> None:
    stranger = person("stranger@example.com", other.practice, Role.SUPPORT)
    rows = [{"user": str(stranger.pk), "role": Role.SUPPORT}]
    answer = signed_in(specialist).post(practice_url(world), people_tab(world, *rows))
    assert answer.status_code == 200
    assert not Membership.objects.for_practice(world.practice).filter(user=stranger).exists()


def test_losing_the_last_role_closes_the_staff_application(
    world: World, administrator: User, agent: User
) -> None:
    row = Membership.objects.for_practice(world.practice).get(user=agent)
    rows = [{"id": str(row.pk), "user": str(agent.pk), "role": row.role, "DELETE": "on"}]
    assert (
        signed_in(administrator).post(practice_url(world), people_tab(world, *rows, initial=1)).status_code
        == 302
    )
    agent.refresh_from_db()
    assert not agent.is_staff


def test_a_specialist_adds_a_person_to_their_practice(world: World, specialist: User) -> None:
    data = {
        "email": "New.Person@Example.com",
        "name": "New Person",
        "practice": str(world.practice.pk),
        "role": Role.REVIEWER,
        "password1": "a-long-password-1",
        "password2": "a-long-password-1",
    }
    answer = signed_in(specialist).post(reverse("admin:tenants_user_add"), data)
    assert answer.status_code == 302
    made = User.objects.get(email="new.person@example.com")
    assert made.role_in(world.practice) == Role.REVIEWER
    assert not made.is_staff
    assert made.check_password("a-long-password-1")


@pytest.mark.parametrize(
    ("role", "of_other"), [(Role.ADMINISTRATOR, False), (Role.REVIEWER, True), ("", False)], ids=str
)
def test_a_specialist_cannot_add_a_person_beyond_their_rights(
    world: World, other: World, specialist: User, role: str, of_other: bool
) -> None:
    practice = other.practice if of_other else world.practice
    data = {
        "email": "new@example.com",
        "practice": str(practice.pk),
        "role": role,
        "password1": "a-long-password-1",
        "password2": "a-long-password-1",
    }
    assert signed_in(specialist).post(reverse("admin:tenants_user_add"), data).status_code == 200
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_specialist_cannot_touch_somebody_who_also_works_elsewhere(
    world: World, other: World, specialist: User
) -> None:
    both = person("both@example.com", world.practice, Role.SUPPORT)
    Membership.objects.create(practice=other.practice, user=both, role=Role.SUPPORT)
    client = signed_in(specialist)
    page = reverse("admin:tenants_user_change", args=[both.pk])
    assert client.post(page, {"email": "taken@example.com", "is_active": "on"}).status_code == 403
    assert client.get(reverse("admin:auth_user_password_change", args=[both.pk])).status_code == 403
    assert other.practice.name not in client.get(reverse("admin:tenants_user_changelist")).content.decode()


def test_nobody_makes_themselves_a_superuser(world: World, administrator: User) -> None:
    client = signed_in(administrator)
    data = {
        "email": administrator.email,
        "is_active": "on",
        "is_superuser": "on",
        "company_role": Role.ADMINISTRATOR,
    }
    client.post(reverse("admin:tenants_user_change", args=[administrator.pk]), data)
    administrator.refresh_from_db()
    assert not administrator.is_superuser
    assert administrator.company_role == ""


def test_company_onboarding_cannot_change_company_staff(world: World, root: User) -> None:
    client = signed_in(person("olive@example.com", company_role=Role.ONBOARDING))
    boss = person("boss@example.com", company_role=Role.ADMINISTRATOR)
    for somebody in (root, boss):
        page = reverse("admin:tenants_user_change", args=[somebody.pk])
        assert client.post(page, {"email": "taken@example.com"}).status_code == 403
        assert client.get(reverse("admin:auth_user_password_change", args=[somebody.pk])).status_code == 403


def test_people_are_those_of_the_own_practices(
    world: World, other: World, specialist: User, agent: User
) -> None:
    stranger = person("stranger@example.com", other.practice, Role.SUPPORT)
    assert set(people_for(specialist)) == {specialist, agent}
    assert set(people_for(agent)) == {agent}
    assert stranger in people_for(person("boss@example.com", company_role=Role.ADMINISTRATOR))


def test_choices_of_a_form_come_from_the_own_practices(world: World, other: World, specialist: User) -> None:
    page = signed_in(specialist).get(reverse("admin:integrations_connection_add")).content.decode()
    assert world.practice.name in page
    assert other.practice.name not in page


def test_a_row_cannot_be_moved_into_another_practice(world: World, other: World, specialist: User) -> None:
    page = reverse("admin:tenants_location_change", args=[world.location.pk])
    data = {"name": "Downtown", "external_id": "827", "sub_account": str(other.sub_account.pk)}
    answer = signed_in(specialist).post(page, {**data, "practice": str(other.practice.pk)})
    assert answer.status_code == 200
    world.location.refresh_from_db()
    assert world.location.practice == world.practice
    assert world.location.route.sub_account == world.sub_account


def test_a_category_of_a_practice_that_is_only_read_cannot_be_changed_in_the_list(
    world: World, root: User, specialist: User
) -> None:
    second = make_world("second", root)
    Membership.objects.create(practice=second.practice, user=specialist, role=Role.SUPPORT)
    client = signed_in(User.objects.get(pk=specialist.pk))
    data = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(second.type.pk),
        "form-0-category": "Blocked",
        "_save": "Save",
    }
    page = f"{reverse('admin:categorization_appointmenttype_changelist')}?practice={second.practice.pk}"
    assert client.post(page, data).status_code == 403
    second.type.refresh_from_db()
    assert second.type.category == ""


def test_secrets_cannot_be_tried_out_letter_by_letter(world: World, agent: User) -> None:
    client = signed_in(agent)
    page = reverse("admin:integrations_subaccount_changelist")
    letter = SubAccount.objects.for_practice(world.practice).get().webhook_key[0]
    assert client.get(page, {"webhook_key__startswith": letter}).status_code == 400
    assert client.get(page, {"key__startswith": "m"}).status_code == 200


def test_a_practice_that_somebody_only_reviews_stays_out_of_the_staff_pages(
    world: World, root: User, agent: User
) -> None:
    second = make_world("second", root)
    Membership.objects.create(practice=second.practice, user=agent, role=Role.REVIEWER)
    client = signed_in(User.objects.get(pk=agent.pk))
    assert (
        client.get(reverse("admin:integrations_inboundevent_change", args=[second.event.pk])).status_code
        == 302
    )
    for name in ("integrations_inboundevent", "integrations_patient", "tenants_practice"):
        page = client.get(reverse(f"admin:{name}_changelist")).content.decode()
        assert second.practice.name not in page, name


def test_a_new_row_goes_only_into_practices_that_somebody_configures(
    world: World, root: User, specialist: User
) -> None:
    second = make_world("second", root)
    Membership.objects.create(practice=second.practice, user=specialist, role=Role.SUPPORT)
    data = {"practice": str(second.practice.pk), "emr": "aestheticspro", "key": "mine"}
    answer = signed_in(User.objects.get(pk=specialist.pk)).post(
        reverse("admin:integrations_connection_add"), data
    )
    assert answer.status_code == 200
    assert Connection.objects.for_practice(second.practice).count() == 1
