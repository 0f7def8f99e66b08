"""What people do with categories, and what a worker does about it."""

from typing import Any

from categorization.confirming import confirm
from categorization.engine import Progress
from categorization.models import AppointmentType, CategoryBatch, ConfirmedVia
from integrations.sync.categories.answers import Answers
from integrations.sync.categories.moving import release_categories_due
from tenants.models import Practice, User
from tests.engine.world import committed
from tests.patientnow.clinic import Clinic


def type_named(practice: Practice, name: str, purpose: str = "") -> AppointmentType:
    """A type of the practice."""
    found: AppointmentType = AppointmentType.objects.for_practice(practice).get(name=name, purpose=purpose)
    return found


def say(practice: Practice, *, moves_contacts: bool = True, user: User | None = None, **names: str) -> Any:
    """A person says what types count as (name with "_" for a space → category); the batch, None for nothing new."""
    choices = {type_named(practice, name.replace("_", " ")).pk: category for name, category in names.items()}
    with committed():
        return confirm(practice, choices, user=user, via=ConfirmedVia.PAGE, moves_contacts=moves_contacts)


def carry_out(clinic: Clinic, batch: CategoryBatch) -> Progress:
    """What workers do about a change, to its end."""
    release_categories_due()
    clinic.work()
    release_categories_due()
    found = Answers().progress(batch.pk)
    assert found is not None
    return found
