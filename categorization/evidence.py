"""What other practices confirmed for the same name: counted by normalized name, never naming a practice."""

from collections.abc import Iterable

from django.db.models import Count

from categorization.categories import Category, name_key
from categorization.models import AppointmentType
from categorization.suggest import Evidence
from tenants.models import Practice


def evidence_for(practice: Practice, rows: Iterable[AppointmentType]) -> Evidence:
    """Evidence for the names of ``rows`` (saved or not) from all practices but this one, in one query."""
    names = {name_key(row.name) for row in rows}
    found = (
        AppointmentType.objects.across_practices()
        .filter(name_key__in=names, confirmed_at__isnull=False)
        .exclude(category="")
        .exclude(practice=practice)
        .order_by()
        .values_list("name_key", "purpose_key", "category")
        .annotate(practices=Count("practice", distinct=True))
    )
    evidence: dict[str, dict[Category, int]] = {}
    for name, purpose, category, count in found:
        key = f"{name} / {purpose}" if purpose else name
        evidence.setdefault(key, {})[Category(category)] = count
    return evidence
