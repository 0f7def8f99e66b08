"""A pretend EMR with credentials and a surgical pipeline, and practice files for it."""

import json
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

from integrations.contract.manifest import (
    ChecklistItem,
    CredentialField,
    DataType,
    EventKind,
    FolderField,
    Manifest,
    Switch,
    Way,
)

CHARTWELL = Manifest(
    slug="chartwell",
    name="Chartwell",
    way=Way.WEBHOOK,
    field_prefix="CW",
    folder="Chartwell",
    fields=(FolderField("CW Patient ID"), FolderField("CW Birthday", DataType.DATE)),
    events=(EventKind("appointment", "Appointment"),),
    patient_id_field="CW Patient ID",
    birthday_field="CW Birthday",
    appointment_workflow="CW Appointments Update",
    birthday_workflow="CW Birthday",
    credentials=(
        CredentialField("username", "User name"),
        CredentialField("api_key", "API key", secret=True),
        CredentialField("header_secret", "Webhook secret", secret=True, required=False),
    ),
    switches=(
        Switch("payments", "Payments", default=True),
        Switch("separate_consult_stages", "Separate consult stages", default=False),
        Switch("default_postal_code", "Postal code", default=""),
        Switch("most_pages", "Pages", default=5),
        Switch("create_required_fields", "Required", default=["email"], choices=("email", "phone")),
    ),
    checklist=(ChecklistItem("edition", "Edition", "Ask the practice."),),
)
GLOW = Manifest(
    slug="glow",
    name="Glow",
    way=Way.WEBHOOK,
    field_prefix="GL",
    folder="Glow",
    fields=(FolderField("GL Patient ID"),),
    events=(EventKind("visit", "Visit"),),
    patient_id_field="GL Patient ID",
    birthday_field="",
    appointment_workflow="Glow Appointments",
    has_surgical_pipeline=False,
)
REGISTRY = {
    manifest.slug: SimpleNamespace(slug=manifest.slug, manifest=manifest) for manifest in (CHARTWELL, GLOW)
}

SURGICAL = {
    "Consult Booked": "S1",
    "Consult Complete": "S2",
    "Surgery Scheduled": "S3",
    "Surgery Complete": "S4",
    "Cancelled / No-Show": "S5",
}
NON_SURGICAL = {"Booked": "T1", "Patient": "T2", "Cancelled / No-Show": "T3"}

_DOCUMENT: dict[str, Any] = {
    "format": 1,
    "practice": {
        "slug": "bluestone",
        "name": "Bluestone Plastic Surgery",
        "kind": "plastic_surgery",
        "country": "US",
        "time_zone": "America/New_York",
        "live": True,
        "live_reason": "acceptance run",
    },
    "sub_accounts": [
        {
            "key": "main",
            "default": True,
            "crm_location_id": "LOC1",
            "token": "pit-main-secret",
            "pipeline_logic": "ax_connect",
            "pipelines": {
                "surgical": {"id": "P1", "stages": SURGICAL},
                "non_surgical": {"id": "P2", "stages": NON_SURGICAL},
            },
            "workflows": {"CW Appointments Update": "WF1"},
        },
        {
            "key": "spa",
            "default": False,
            "crm_location_id": "LOC2",
            "token": "pit-spa-secret",
            "pipeline_logic": "crm_workflow",
            "pipelines": {"non_surgical": {"id": "P3", "stages": {"Booked": "U1"}}},
            "workflows": {},
        },
    ],
    "locations": [
        {"external_id": "827", "name": "Downtown", "time_zone": None, "sub_account": "main"},
        {"external_id": "901", "name": "Beach", "time_zone": "America/Los_Angeles", "sub_account": "spa"},
        {"external_id": "950", "name": "Pop-up", "time_zone": None, "sub_account": None},
    ],
    "connections": [
        {
            "key": "cw",
            "emr": "chartwell",
            "base_url": "https://emr.example.com/api",
            "credentials": {"username": "blue", "api_key": "key-secret"},
            "switches": {"create_required_fields": ["phone"], "payments": False},
            "workflow_names": {"CW Birthday": "Happy Birthday"},
        },
        {
            "key": "glow",
            "emr": "glow",
            "base_url": None,
            "credentials": {},
            "switches": {},
            "workflow_names": {},
        },
    ],
    "categories": [
        {
            "connection": "cw",
            "type": "Breast Aug Consult",
            "purpose": "",
            "category": "Surgical Consult",
            "confirmed": True,
        },
        {
            "connection": "cw",
            "type": "Follow up",
            "purpose": "Botox",
            "category": "Non-Surgical Appointment",
            "confirmed": False,
        },
    ],
}


def document() -> dict[str, Any]:
    """A whole and faultless practice file, in the order in which it is exported. Yours to change."""
    return deepcopy(_DOCUMENT)


def raw(file: Any) -> bytes:
    """A practice file as it stands on disk."""
    return json.dumps(file).encode()


def setup_of(subaccount: str, token: str, **more: Any) -> dict[str, Any]:
    """What a pretend CRM is told about a sub-account in which nothing was provisioned yet."""
    return {
        "id": subaccount,
        "name": "Bluestone",
        "token": token,
        "limits": {"max": 10_000, "interval_ms": 10_000, "daily": 100_000},
        "custom_fields": [{"id": "CF_OTHER", "name": "Shoe size", "dataType": "TEXT"}],
        "pipelines": [
            _pipeline("P1", "Surgery", SURGICAL),
            _pipeline("P2", "Spa", NON_SURGICAL),
            _pipeline("P3", "Beach", {"Booked": "U1"}),
        ],
        **more,
    }


def _pipeline(crm_id: str, name: str, stages: dict[str, str]) -> dict[str, Any]:
    listed = [{"id": stage_id, "name": f"The {stage}"} for stage, stage_id in stages.items()]
    return {"id": crm_id, "name": name, "stages": listed}
