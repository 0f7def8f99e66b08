"""Our copy of what a sub-account's CRM lists: custom fields, and the names of mapped pipelines and stages."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations.crm.client import CrmClient
from integrations.models import CustomField, Pipeline, Stage, SubAccount
from integrations.signals import set_up_changed
from integrations.sync.incidents import close_fields

Json = dict[str, Any]
_COLUMNS = ("name", "field_key", "data_type", "folder_id")


@dataclass(frozen=True, slots=True)
class Listing:
    """What the CRM listed, in its own words. ``pipelines`` None: they were not asked for. ``asked_at``: when the CRM
    was asked, None for just now."""

    fields: Sequence[Json]
    pipelines: Sequence[Json] | None = None
    asked_at: datetime | None = None

    def pipeline_names(self) -> dict[str, str]:
        """CRM pipeline id → its name."""
        return {str(row["id"]): str(row.get("name") or "") for row in self.pipelines or () if row.get("id")}

    def stage_names(self) -> dict[tuple[str, str], str]:
        """(CRM pipeline id, CRM stage id) → the stage's name."""
        return {
            (str(row["id"]), str(stage["id"])): str(stage.get("name") or "")
            for row in self.pipelines or ()
            if row.get("id")
            for stage in row.get("stages") or ()
            if isinstance(stage, dict) and stage.get("id")
        }


def refresh_fields(sub_account: SubAccount, client: CrmClient) -> bool:
    """List the custom fields again (one call) and keep them. True when something differs from before."""
    return store_listing(sub_account, fetch_fields(client))


def refresh_all(sub_account: SubAccount, client: CrmClient) -> bool:
    """``refresh_fields``, and the names of the mapped pipelines and stages (two calls)."""
    return store_listing(sub_account, fetch_listing(client))


def fetch_fields(client: CrmClient) -> Listing:
    """Ask the CRM for the fields alone. Raises what the client raises."""
    asked_at = timezone.now()
    return Listing(client.list_custom_fields(), asked_at=asked_at)


def fetch_listing(client: CrmClient) -> Listing:
    """Ask the CRM for fields and pipelines. Raises what the client raises."""
    return replace(fetch_fields(client), pipelines=client.pipelines())


def store_listing(sub_account: SubAccount, listing: Listing) -> bool:
    """Make our copy equal to the listing. True when something differed: workers then read it again, and what waited
    for a field goes on. A listing that was asked for before the one that we have says nothing any more."""
    asked_at = listing.asked_at or timezone.now()
    rows = SubAccount.objects.for_practice(sub_account.practice_id).filter(pk=sub_account.pk)
    with transaction.atomic():
        fetched_at = rows.select_for_update().values_list("fields_fetched_at", flat=True).first()
        if fetched_at is not None and fetched_at > asked_at:
            return False
        changed = _store_fields(sub_account, listing.fields)
        changed = (_store_names(sub_account, listing) if listing.pipelines is not None else False) or changed
        rows.update(fields_fetched_at=asked_at)
        if changed:
            set_up_changed(sub_account.practice_id)
    return changed


def _store_fields(sub_account: SubAccount, listed: Sequence[Json]) -> bool:
    known = {
        row.crm_id: row
        for row in CustomField.objects.for_practice(sub_account.practice_id).filter(sub_account=sub_account)
    }
    wanted = {row.crm_id: row for row in (_field(sub_account, item) for item in listed) if row}
    new = [row for crm_id, row in wanted.items() if crm_id not in known]
    gone = {crm_id: row.pk for crm_id, row in known.items() if crm_id not in wanted}
    other = [row for crm_id, row in known.items() if crm_id in wanted and _take_over(row, wanted[crm_id])]
    # Several lanes may read the list of a new sub-account at once: what another one stored first is the same.
    CustomField.objects.bulk_create(new, ignore_conflicts=True)
    CustomField.objects.bulk_update(other, _COLUMNS)
    CustomField.objects.for_practice(sub_account.practice_id).filter(pk__in=gone.values()).delete()
    close_fields(sub_account.practice_id, sub_account.pk, gone)
    return bool(new or other or gone)


def _field(sub_account: SubAccount, item: Json) -> CustomField | None:
    if not (item.get("id") and item.get("name") and item.get("dataType")):
        return None
    return CustomField(
        sub_account=sub_account,
        crm_id=str(item["id"]),
        name=str(item["name"])[:200],
        field_key=str(item.get("fieldKey") or "")[:200],
        data_type=str(item["dataType"])[:30],
        folder_id=str(item.get("parentId") or "")[:64],
    )


def _take_over(row: CustomField, listed: CustomField) -> bool:
    differing = [name for name in _COLUMNS if getattr(row, name) != getattr(listed, name)]
    for name in differing:
        setattr(row, name, getattr(listed, name))
    return bool(differing)


def _store_names(sub_account: SubAccount, listing: Listing) -> bool:
    pipelines = Pipeline.objects.for_practice(sub_account.practice_id).filter(sub_account=sub_account)
    stages = Stage.objects.for_practice(sub_account.practice_id).filter(pipeline__sub_account=sub_account)
    pipeline_names, stage_names = listing.pipeline_names(), listing.stage_names()
    renamed = [_rename(row, pipeline_names.get(row.crm_id, "")) for row in pipelines]
    for stage in stages.select_related("pipeline"):
        renamed.append(_rename(stage, stage_names.get((stage.pipeline.crm_id, stage.crm_id), "")))
    return any(renamed)


def _rename(row: Pipeline | Stage, name: str) -> bool:
    if row.crm_name == name[:200]:
        return False
    row.crm_name = name[:200]
    row.save(update_fields=["crm_name"])
    return True
