"""The sub-accounts of a practice file, with their pipelines, stages and workflows."""

from collections.abc import Collection
from typing import Any

from integrations import emrs
from integrations.models.subaccounts import PipelineKind, PipelineLogic
from integrations.practice_file.parts import PipelinePart, SubAccountPart
from integrations.practice_file.problems import meant
from integrations.practice_file.sections import Section, flag, text_of
from integrations.practice_file.values import one_of, slug
from integrations.sync.routing import CONSULT_STAGES, STAGE_NAMES

_SAME_STAGE = {"Consult Completed": "Consult Complete"}


def stage_names(kind: str) -> tuple[str, ...]:
    """Every stage name that a pipeline of this kind can have, in the order in which people pass them."""
    names = STAGE_NAMES[PipelineKind(kind)]
    return (*(CONSULT_STAGES if kind == PipelineKind.NON_SURGICAL else ()), *names)


def workflow_names() -> list[str]:
    """The names of all workflows that some EMR enrols contacts in."""
    return [name for emr in emrs.registry().values() for name in emr.manifest.workflows]


def read_sub_account(section: Section, own_names: Collection[str] = ()) -> SubAccountPart:
    """One sub-account. ``own_names`` are what the practice calls some workflows beside our names."""
    section.only("key", "default", "crm_location_id", "token", "pipeline_logic", "pipelines", "workflows")
    readers: dict[str, Any] = {
        "default": ("is_default", flag),
        "crm_location_id": ("crm_subaccount_id", text_of(64)),
        "token": ("token", text_of(500, may_be_empty=True)),
        "pipeline_logic": ("pipeline_logic", one_of(PipelineLogic.values)),
    }
    return SubAccountPart(
        path=section.path,
        key=section.read("key", slug, "", required=True),
        values=section.said(readers, required=("crm_location_id",)),
        pipelines=_pipelines(section.section("pipelines")) if "pipelines" in section else None,
        workflows=_workflows(section.section("workflows", quotes_names=True), own_names)
        if "workflows" in section
        else None,
    )


def _pipelines(section: Section) -> list[PipelinePart]:
    section.only(*PipelineKind.values)
    return [_pipeline(section.section(kind), kind) for kind in PipelineKind.values if kind in section]


def _pipeline(section: Section, kind: str) -> PipelinePart:
    section.only("id", "stages")
    return PipelinePart(
        kind=kind,
        path=section.path,
        crm_id=section.read("id", text_of(64), "", required=True),
        stages=_stages(section.section("stages", quotes_names=True), kind) if "stages" in section else None,
    )


def _stages(section: Section, kind: str) -> dict[str, str]:
    known, found = stage_names(kind), {}
    for written, crm_id in section.named_texts(text_of(64)).items():
        name = _SAME_STAGE.get(written, written)
        if name not in known:
            section.wrong(written, f"unknown stage (known: {', '.join(known)})")
        elif name in found:
            section.wrong(written, f'is the same stage as "{name}", which stands there too')
        else:
            found[name] = crm_id
    return found


def _workflows(section: Section, own_names: Collection[str]) -> dict[str, str]:
    known, found = [*workflow_names(), *own_names], section.named_texts(text_of(64))
    for name in found:
        if name not in known:
            section.wrong(name, f"unknown workflow{meant(name, known)}")
    return found
