"""Stages and workflows proposed by their names, for a person to confirm."""

from typing import Any

import pytest

from integrations.crm.provisioning import WorkflowProposal, propose_stages, propose_workflows


def pipeline(key: str, name: str, *stages: str) -> dict[str, Any]:
    return {"id": key, "name": name, "stages": [{"id": f"{key}:{stage}", "name": stage} for stage in stages]}


SURGICAL = pipeline(
    "P1",
    "Surgical Pipeline",
    "New Lead",
    "Consult Booked",
    "Consult Complete",
    "Surgery Scheduled",
    "Surgery Complete",
    "Cancelled / No-Show",
)
NON_SURGICAL = pipeline(
    "P2", "Non-Surgical Pipeline", "New Lead", "Contacted", "Booked", "Patient", "Cancelled / No-Show"
)


def meant(pipelines: list[dict[str, Any]], kind: str) -> dict[str, str]:
    return {name: item.stage_id for name, item in propose_stages(pipelines).get(kind, {}).items()}


def test_the_very_names_are_sure() -> None:
    for order in ([SURGICAL, NON_SURGICAL], [NON_SURGICAL, SURGICAL]):
        proposals = propose_stages(order)
        assert {name: item.stage_id for name, item in proposals["surgical"].items()} == {
            "Consult Booked": "P1:Consult Booked",
            "Consult Complete": "P1:Consult Complete",
            "Surgery Scheduled": "P1:Surgery Scheduled",
            "Surgery Complete": "P1:Surgery Complete",
            "Cancelled / No-Show": "P1:Cancelled / No-Show",
        }
        assert {name: item.stage_id for name, item in proposals["non_surgical"].items()} == {
            "Booked": "P2:Booked",
            "Patient": "P2:Patient",
            "Cancelled / No-Show": "P2:Cancelled / No-Show",
        }
        for found in proposals.values():
            assert {item.confidence for item in found.values()} == {1.0}
            assert len({item.pipeline_id for item in found.values()}) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Cancel/No Show", "Cancelled / No-Show"),
        ("Cancelled/No-Show", "Cancelled / No-Show"),
        ("No show or canceled", "Cancelled / No-Show"),
        ("Cancellation - Noshow", "Cancelled / No-Show"),
        ("Consult Completed", "Consult Complete"),
        ("Consultation Done", "Consult Complete"),
        ("Surgical Consult Booked", "Consult Booked"),
        ("consult scheduled", "Consult Booked"),
        ("Surgery Booked", "Surgery Scheduled"),
        ("Procedure Scheduled", "Surgery Scheduled"),
        ("Surgery Completed (Won)", "Surgery Complete"),
    ],
)
def test_other_spellings_are_understood_with_less_confidence(theirs: str, ours: str) -> None:
    stages = [stage["name"] for stage in SURGICAL["stages"] if stage["name"] != ours]
    proposal = propose_stages([pipeline("P1", "Surgery", *stages, theirs)])["surgical"][ours]
    assert proposal.stage_id == f"P1:{theirs}"
    assert 0 < proposal.confidence < 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Appointment Booked", "Booked"),
        ("Scheduled", "Booked"),
        ("Patient (Won)", "Patient"),
        ("Active Patients", "Patient"),
    ],
)
def test_other_spellings_of_the_med_spa_are_understood(theirs: str, ours: str) -> None:
    stages = [stage["name"] for stage in NON_SURGICAL["stages"] if stage["name"] != ours]
    assert meant([pipeline("P", "Lead to Patient", *stages, theirs)], "non_surgical")[ours] == f"P:{theirs}"


def test_cancelled_alone_is_a_weak_proposal() -> None:
    found = propose_stages([pipeline("P", "Lead to Patient", "Booked", "Patient", "No Show", "Cancelled")])
    weak = found["non_surgical"]["Cancelled / No-Show"]
    assert weak.confidence == 0.5


def test_separate_consult_stages_are_proposed_where_they_exist() -> None:
    found = meant(
        [pipeline("P", "Med Spa", "Consult Booked", "Consult Completed", "Booked", "Patient")], "non_surgical"
    )
    assert found["Consult Booked"] == "P:Consult Booked"
    assert found["Consult Complete"] == "P:Consult Completed"
    assert found["Booked"] == "P:Booked"


def test_a_med_spa_has_no_surgical_pipeline() -> None:
    assert propose_stages([NON_SURGICAL]).keys() == {"non_surgical"}


def test_pipelines_with_names_that_tell_nothing_are_told_apart_by_their_stages() -> None:
    plain = [{**NON_SURGICAL, "name": "Sales"}, {**SURGICAL, "name": "Main"}]
    proposals = propose_stages(plain)
    assert {item.pipeline_id for item in proposals["surgical"].values()} == {"P1"}
    assert {item.pipeline_id for item in proposals["non_surgical"].values()} == {"P2"}


def test_the_name_decides_between_two_that_contain_the_stages() -> None:
    twin = {**pipeline("P3", "Weight Loss", "Booked", "Patient", "Cancelled / No-Show")}
    found = propose_stages([twin, NON_SURGICAL])
    assert {item.pipeline_id for item in found["non_surgical"].values()} == {"P2"}


def test_pipelines_that_are_something_else_are_not_proposed() -> None:
    assert propose_stages([pipeline("P", "Hiring", "Applied", "Interview", "Hired")]) == {}
    assert propose_stages([{"id": "P", "name": "Surgical"}, {"name": "no id"}]) == {}


def test_workflows_are_proposed_by_name() -> None:
    known = [
        {"id": "W1", "name": "APro Appointments Update", "status": "draft"},
        {"id": "W2", "name": "[LOCKED] APro Invoice Paid", "status": "published"},
        {"id": "W3", "name": "Birthday APro", "status": "published"},
        {"id": "W4", "name": "Newsletter", "status": "published"},
    ]
    names = ["APro Appointments Update", "APro Invoice Paid", "APro Birthday", "APro Membership"]
    assert propose_workflows(known, names) == {
        "APro Appointments Update": WorkflowProposal("W1", 0.99, False),
        "APro Invoice Paid": WorkflowProposal("W2", 0.7, True),
        "APro Birthday": WorkflowProposal("W3", 0.9, True),
    }


def test_of_two_workflows_of_one_name_the_published_one_is_proposed() -> None:
    known = [
        {"id": "W1", "name": "APro Birthday", "status": "draft"},
        {"id": "W2", "name": "APro Birthday", "status": "published"},
    ]
    assert propose_workflows(known, ["APro Birthday"])["APro Birthday"].workflow_id == "W2"
