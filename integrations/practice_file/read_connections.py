"""The connections of a practice file: what they may hold is declared by each EMR's manifest."""

from typing import Any

from integrations import emrs
from integrations.contract.manifest import Manifest
from integrations.practice_file.parts import ConnectionPart
from integrations.practice_file.problems import Wrong, meant
from integrations.practice_file.sections import Section, text, text_of
from integrations.practice_file.values import address, slug, switch_value

_LONGEST_CREDENTIAL = 4000


def read_connection(section: Section) -> ConnectionPart:
    """One connection. Credentials and switches of an unknown EMR cannot be judged and are left out."""
    section.only("key", "emr", "base_url", "credentials", "switches", "workflow_names")
    emr = section.read("emr", _emr, "", required=True)
    values: dict[str, Any] = section.said({"base_url": ("base_url", address)})
    if emr:
        values |= _declared(section, emrs.registry()[emr].manifest)
    return ConnectionPart(
        path=section.path, key=section.read("key", slug, "", required=True), emr=emr, values=values
    )


def _emr(value: Any) -> str:
    found = text(value)
    if found not in emrs.registry():
        raise Wrong(f'unknown EMR "{found}" (known: {", ".join(emrs.registry())})')
    return found


def _declared(section: Section, manifest: Manifest) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "credentials" in section:
        values["credentials"] = _credentials(section.section("credentials"), manifest)
    if "switches" in section:
        values["switches"] = _switches(section.section("switches"), manifest)
    if "workflow_names" in section:
        values["workflow_names"] = _workflow_names(
            section.section("workflow_names", quotes_names=True), manifest
        )
    return values


def _credentials(section: Section, manifest: Manifest) -> dict[str, str]:
    section.only(*(field.name for field in manifest.credentials))
    found: dict[str, str] = {}
    for field in manifest.credentials:
        if field.name not in section:
            if field.required:
                section.wrong(field.name, f"is missing ({field.label})")
            continue
        value = section.read(field.name, text_of(_LONGEST_CREDENTIAL, may_be_empty=not field.required), "")
        found |= {field.name: value} if value else {}
    return found


def _switches(section: Section, manifest: Manifest) -> dict[str, Any]:
    known = {switch.name: switch for switch in manifest.switches}
    for name in section.values:
        if name not in known:
            section.wrong(name, f"{manifest.name} has no such switch{meant(name, known)}")
    return section.said({name: (name, switch_value(switch)) for name, switch in known.items()})


def _workflow_names(section: Section, manifest: Manifest) -> dict[str, str]:
    for name in section.values:
        if name not in manifest.workflows:
            section.wrong(name, f"{manifest.name} has no such workflow{meant(name, manifest.workflows)}")
    return section.named_texts(text_of(100))
