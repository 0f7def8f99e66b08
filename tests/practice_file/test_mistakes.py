"""Every mistake in a practice file is named by its path, all at once, and changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Connection, Contact, InboundEvent, SubAccount
from integrations.practice_file.importing import import_practice
from integrations.practice_file.problems import PracticeFileError
from tenants.models import Practice
from tests.practice_file.documents import document, raw

pytestmark = pytest.mark.django_db

Spoil = Callable[[dict[str, Any]], Any]


def problems_of(file: Any) -> list[str]:
    with pytest.raises(PracticeFileError) as caught:
        import_practice(file if isinstance(file, bytes) else raw(file))
    return caught.value.problems


def _set(*path: str | int) -> Callable[[Any], Spoil]:
    """A function that puts a value at a path of the document."""

    def with_value(value: Any) -> Spoil:
        def spoil(file: dict[str, Any]) -> None:
            place: Any = file
            for step in path[:-1]:
                place = place[step]
            place[path[-1]] = value

        return spoil

    return with_value


def _drop(*path: str | int) -> Spoil:
    def spoil(file: dict[str, Any]) -> None:
        place: Any = file
        for step in path[:-1]:
            place = place[step]
        del place[path[-1]]

    return spoil


def _again(section: str) -> Spoil:
    return lambda file: file[section].append(file[section][0])


STAGES = ("sub_accounts", 0, "pipelines", "surgical", "stages")
MISTAKES: list[tuple[Spoil, str]] = [
    (_set("format")(2), "format: must be 1, not 2"),
    (_set("format")(True), "format: must be 1, not True"),
    (_set("format")({}), "format: must be 1, not an object"),
    (_drop("format"), "format: is missing; write 1"),
    (_drop("practice"), "practice: is missing"),
    (_set("practice")(7), "practice: must be an object, not a number"),
    (_set("locatons")([]), 'locatons: unknown key, did you mean "locations"?'),
    (
        _set("zzz")([]),
        "zzz: unknown key (known: format, practice, sub_accounts, locations, connections, categories)",
    ),
    (_drop("practice", "slug"), "practice.slug: is missing"),
    (_set("practice", "slug")("blue stone"), "practice.slug: must be 1 to 50 letters, digits, - or _"),
    (_set("practice", "name")(7), "practice.name: must be text, not a number"),
    (_set("practice", "name")("  "), "practice.name: must not be empty"),
    (_set("practice", "name")("a\u0000b"), "practice.name: holds a control character"),
    (_set("practice", "name")("x" * 201), "practice.name: is too long: 201 characters, at most 200"),
    (
        _set("practice", "kind")("spa"),
        'practice.kind: "spa" is not one of plastic_surgery, med_spa, plastic_surgery_med_spa',
    ),
    (_set("practice", "country")("DE"), 'practice.country: "DE" is not one of US, CA, GB, AU, NZ'),
    (
        _set("practice", "time_zone")("Mars/Base"),
        'practice.time_zone: "Mars/Base" is not a time zone. Use a name such as America/New_York',
    ),
    (_set("practice", "live")("yes"), "practice.live: must be true or false, not text"),
    (_set("practice", "live")(None), "practice.live: must be true or false, not null"),
    (_set("sub_accounts")({}), "sub_accounts: must be a list, not an object"),
    (_set("sub_accounts", 0)("main"), "sub_accounts[0]: must be an object, not text"),
    (_set("sub_accounts", 0, "tokn")("x"), 'sub_accounts[0].tokn: unknown key, did you mean "token"?'),
    (_drop("sub_accounts", 0, "crm_location_id"), "sub_accounts[0].crm_location_id: is missing"),
    (
        _set("sub_accounts", 1, "crm_location_id")("LOC1"),
        'sub_accounts[1].crm_location_id: "LOC1" stands already',
    ),
    (
        _set("sub_accounts", 0, "pipeline_logic")("ours"),
        'sub_accounts[0].pipeline_logic: "ours" is not one of ax_connect, crm_workflow',
    ),
    (
        _set("sub_accounts", 1, "default")(True),
        "sub_accounts[1].default: sub_accounts[0] is the default already",
    ),
    (_set("sub_accounts", 1, "key")("main"), 'sub_accounts[1].key: "main" stands already at sub_accounts[0]'),
    (
        _set("sub_accounts", 0, "pipelines", "surgcal")({}),
        'sub_accounts[0].pipelines.surgcal: unknown key, did you mean "surgical"?',
    ),
    (
        _drop("sub_accounts", 0, "pipelines", "surgical", "id"),
        "sub_accounts[0].pipelines.surgical.id: is missing",
    ),
    (
        _set(*STAGES, "Booked")("S9"),
        'sub_accounts[0].pipelines.surgical.stages."Booked": unknown stage '
        "(known: Consult Booked, Consult Complete, Surgery Scheduled, Surgery Complete, Cancelled / No-Show)",
    ),
    (
        _set(*STAGES, "Surgery Complete")(4),
        'sub_accounts[0].pipelines.surgical.stages."Surgery Complete": must be text, not a number',
    ),
    (
        _set(*STAGES, "Consult Completed")("S2"),
        'sub_accounts[0].pipelines.surgical.stages."Consult Completed": is the same stage',
    ),
    (
        _set("sub_accounts", 0, "workflows", "CW Birtday")("W"),
        'sub_accounts[0].workflows."CW Birtday": unknown workflow, did you mean "CW Birthday"?',
    ),
    (
        _set("locations", 0, "sub_account")("mian"),
        'locations[0].sub_account: unknown sub-account "mian", did you',
    ),
    (
        _set("locations", 1, "external_id")("827"),
        'locations[1].external_id: "827" stands already at locations[0]',
    ),
    (_set("locations", 0, "time_zone")("Nowhere"), 'locations[0].time_zone: "Nowhere" is not a time zone'),
    (_drop("locations", 0, "name"), "locations[0].name: is missing"),
    (
        _set("connections", 0, "emr")("chartwel"),
        'connections[0].emr: unknown EMR "chartwel" (known: chartwell, glow)',
    ),
    (_drop("connections", 0, "emr"), "connections[0].emr: is missing"),
    (
        _set("connections", 0, "base_url")("ftp://x.example.com"),
        "connections[0].base_url: must be an address that",
    ),
    (_set("connections", 0, "base_url")("https://"), "connections[0].base_url: must be an address that"),
    (_set("connections", 0, "base_url")("https://x:y:z"), "connections[0].base_url: must be an address that"),
    (
        _set("connections", 0, "base_url")("https://a:b@x.example.com"),
        "connections[0].base_url: must hold no user",
    ),
    (
        _drop("connections", 0, "credentials", "api_key"),
        "connections[0].credentials.api_key: is missing (API key)",
    ),
    (_drop("connections", 0, "credentials"), "connections[0].credentials.username: is missing (User name)"),
    (
        _set("connections", 0, "credentials", "api_key")(""),
        "connections[0].credentials.api_key: must not be empty",
    ),
    (
        _set("connections", 0, "credentials", "apikey")("x"),
        'connections[0].credentials.apikey: unknown key, did you mean "api_key"?',
    ),
    (
        _set("connections", 0, "credentials", "api_key")("***"),
        'connections[0].credentials.api_key: "***" keeps what',
    ),
    (_set("sub_accounts", 0, "token")("***"), 'sub_accounts[0].token: "***" keeps what is stored'),
    (
        _set("connections", 0, "switches", "paymnts")(True),
        'connections[0].switches.paymnts: Chartwell has no such switch, did you mean "payments"?',
    ),
    (
        _set("connections", 0, "switches", "payments")("on"),
        "connections[0].switches.payments: must be true or false, not text",
    ),
    (
        _set("connections", 0, "switches", "most_pages")(True),
        "connections[0].switches.most_pages: must be a whole number, not true or false",
    ),
    (
        _set("connections", 0, "switches", "create_required_fields")("phone"),
        "connections[0].switches.create_required_fields: must be a list of texts, not text",
    ),
    (
        _set("connections", 0, "switches", "create_required_fields")(["fax"]),
        'connections[0].switches.create_required_fields: "fax" is not one of email, phone',
    ),
    (
        _set("connections", 0, "switches", "default_postal_code")(10001),
        "connections[0].switches.default_postal_code: must be text, not a number",
    ),
    (
        _set("connections", 0, "workflow_names", "CW Payments")("x"),
        'connections[0].workflow_names."CW Payments": Chartwell has no such workflow',
    ),
    (_set("connections", 1, "key")("cw"), 'connections[1].key: "cw" stands already at connections[0]'),
    (
        _set("categories", 0, "connection")("glw"),
        'categories[0].connection: unknown connection "glw", did you mean "glow"?',
    ),
    (
        _set("categories", 0, "category")("Surgical Consul"),
        'categories[0].category: unknown category "Surgical Consul", did you mean "Surgical Consult"?',
    ),
    (_set("categories", 0, "category")(None), "categories[0].confirmed: cannot be true without a category"),
    (_again("categories"), 'categories[2].type: "Breast Aug Consult" stands already at categories[0]'),
]


@pytest.mark.parametrize(("spoil", "expected"), MISTAKES, ids=[expected[:60] for _, expected in MISTAKES])
def test_a_mistake_is_named_by_its_path_and_changes_nothing(spoil: Spoil, expected: str) -> None:
    file = document()
    spoil(file)
    problems = problems_of(file)
    assert any(problem.startswith(expected) for problem in problems), problems
    assert not Practice.objects.across_practices().exists()


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    file = document()
    file["practice"]["time_zone"] = "Mars/Base"
    file["sub_accounts"][0]["pipelines"]["surgical"]["stages"]["Booked"] = "S9"
    file["locations"][0]["sub_account"] = "nowhere"
    del file["connections"][0]["credentials"]["api_key"]
    assert [problem.split(":")[0] for problem in problems_of(file)] == [
        "practice.time_zone",
        'sub_accounts[0].pipelines.surgical.stages."Booked"',
        "connections[0].credentials.api_key",
        "locations[0].sub_account",
    ]


def test_one_mistake_makes_one_problem() -> None:
    file = document()
    file["connections"][0]["emr"] = "chartwel"
    assert len(problems_of(file)) == 1


def test_types_that_compare_equal_stand_twice() -> None:
    file = document()
    file["categories"][1] = file["categories"][0] | {"type": " breast  AUG consult"}
    assert problems_of(file) == [
        'categories[1].type: "breast  AUG consult" stands already at categories[0]',
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            b"{",
            "The file is not JSON: Expecting property name enclosed in double quotes at line 1, column 2.",
        ),
        (b"", "The file is not JSON: Expecting value at line 1, column 1."),
        (b"\xff\xfe", "The file is not UTF-8 text."),
        (b"[" * 200_000, "The file is not a practice file: it is nested too deeply."),
        (b"[]", "The file must be an object, not a list."),
        (b'{"format": 1, "practice": {}, "practice": {}}', "practice: stands here more than once"),
    ],
)
def test_text_that_is_no_practice_file_is_refused_in_words(text: bytes, expected: str) -> None:
    assert expected in problems_of(text)


def test_no_problem_repeats_a_secret() -> None:
    file = document()
    file["connections"][0]["credentials"] = {"username": "blue", "api_key": "hush\u0007hush", "x": "hush"}
    file["sub_accounts"][0]["token"] = "hush" * 1000
    assert "hush" not in "\n".join(problems_of(file))


def test_a_sub_account_with_contacts_cannot_be_pointed_elsewhere() -> None:
    import_practice(raw(document()))
    Contact.objects.create(sub_account=SubAccount.objects.across_practices().get(key="main"), crm_id="C1")
    file = document()
    file["sub_accounts"][0]["crm_location_id"] = "LOC9"
    assert problems_of(file) == [
        'sub_accounts[0].crm_location_id: sub-account "main" already holds contacts of LOC1; '
        'add "LOC9" under another key'
    ]
    file["sub_accounts"][0]["crm_location_id"] = "LOC1"
    file["sub_accounts"][1]["crm_location_id"] = "LOC8"
    import_practice(raw(file))
    assert SubAccount.objects.across_practices().get(key="spa").crm_subaccount_id == "LOC8"


def test_a_connection_with_events_cannot_become_another_emr() -> None:
    import_practice(raw(document()))
    connection = Connection.objects.across_practices().get(key="glow")
    file = document()
    file["connections"][1] |= {"emr": "chartwell", "credentials": {"username": "a", "api_key": "b"}}
    InboundEvent.objects.create(
        practice=connection.practice,
        connection=connection,
        source="webhook",
        dedupe_key="1",
        received_at="2026-03-01T12:00Z",
    )
    assert problems_of(file) == [
        'connections[1].emr: connection "glow" already has events of glow; use another key'
    ]
