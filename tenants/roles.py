"""Who may do what: one table, asked everywhere."""

from enum import StrEnum
from typing import Any

from django.db import models

from tenants.models import Membership, Practice, Role, User


class Right(StrEnum):
    """One thing that a person may do in a practice."""

    SEE = "see"  # read what AX Connect knows of the practice, patients included
    REVEAL = "reveal"  # open a stored payload; leaves a trace with the reason
    OPERATE = "operate"  # retry, replay, answer whose contact this is
    CATEGORIZE = "categorize"  # confirm what an appointment type counts as
    CONFIGURE = "configure"  # credentials, sub-accounts, stages, locations
    MANAGE_PEOPLE = "manage_people"  # who works for the practice
    GO_LIVE = "go_live"  # take it live before every check is green


RIGHTS: dict[str, frozenset[Right]] = {
    Role.ADMINISTRATOR: frozenset(Right),
    Role.ONBOARDING: frozenset(Right) - {Right.GO_LIVE},
    Role.SUPPORT: frozenset({Right.SEE, Right.REVEAL, Right.OPERATE}),
    Role.REVIEWER: frozenset({Right.CATEGORIZE}),
}
# A reviewer works on the practice's own pages; everybody else on the staff's.
STAFF_ROLES = frozenset({Role.ADMINISTRATOR, Role.ONBOARDING, Role.SUPPORT})


def rights_in(user: Any, practice: "Practice | int | None") -> frozenset[Right]:
    """What a person may do in one practice; nothing for a stranger or somebody inactive."""
    if not getattr(user, "is_authenticated", False):
        return frozenset()
    return RIGHTS.get(user.role_in(practice), frozenset())


def may(user: Any, right: Right, practice: "Practice | int | None" = None) -> bool:
    """Whether a person has ``right`` in ``practice``, or, without one, in any practice at all."""
    if practice is not None or not getattr(user, "is_authenticated", False):
        return right in rights_in(user, practice)
    return right in rights_in(user, None) or bool(practice_ids_with(user, right))


def practice_ids_with(user: Any, right: Right) -> list[int] | None:
    """Ids of the practices in which a person has ``right``; None means every practice there is."""
    if not getattr(user, "is_authenticated", False):
        return []
    if user.sees_every_practice:
        return None if right in rights_in(user, None) else []
    return [practice_id for practice_id in user.practice_ids() if right in rights_in(user, practice_id)]


def roles_to_give(user: Any, practice: "Practice | int | None") -> list[str]:
    """The roles that a person may give to others in a practice: never one with rights that they lack."""
    if not may(user, Right.MANAGE_PEOPLE, practice):
        return []
    own = rights_in(user, practice)
    return [role for role in Role.values if own >= RIGHTS[role]]


def people_for(user: Any) -> "models.QuerySet[User]":
    """The people whom a person may see: everybody for company staff, else those of the practices in which
    they manage people, and themselves."""
    practice_ids = practice_ids_with(user, Right.MANAGE_PEOPLE)
    if practice_ids is None:
        return User.objects.all()
    return User.objects.filter(
        models.Q(memberships__practice__in=practice_ids) | models.Q(pk=user.pk)
    ).distinct()


def outranks(user: Any, other: User) -> bool:
    """Whether a person may give every role that ``other`` holds, and so may change ``other``."""
    if user.is_superuser or other.pk == user.pk:
        return True
    if other.is_superuser or (other.company_role and other.company_role not in company_roles_to_give(user)):
        return False
    held = Membership.objects.across_practices().filter(user=other).values_list("role", "practice_id")
    return all(role in roles_to_give(user, practice_id) for role, practice_id in held)


def company_roles_to_give(user: Any) -> list[str]:
    """The company-wide roles that a person may give: only administrators of the company decide about them."""
    is_company_administrator = user.is_superuser or user.company_role == Role.ADMINISTRATOR
    return [role for role in Role.values if role != Role.REVIEWER] if is_company_administrator else []


def belongs_on_staff_pages(user: User) -> bool:
    """Whether somebody's roles open the staff application."""
    if user.is_superuser or user.company_role:
        return True
    held = Membership.objects.across_practices().filter(user=user).values_list("role", flat=True)
    return any(role in STAFF_ROLES for role in held)


def update_staff_flag(user: User) -> None:
    """Open or close the staff application for a person after a change of their roles."""
    is_staff = belongs_on_staff_pages(user)
    if user.is_staff != is_staff:
        user.is_staff = is_staff
        user.save(update_fields=["is_staff"])
