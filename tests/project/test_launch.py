"""What `manage.py up` decides before it starts anything."""

import time
from pathlib import Path
from typing import Any

import pytest

from axconnect import launch_plan
from axconnect.embedded_redis import free_port
from axconnect.launch import only_one_at_a_time
from axconnect.launch_plan import Launch, NotPossible, launch_environment
from axconnect.readiness import Answer, ask_readyz


def plan(**changes: Any) -> Launch:
    options = {"bind": "127.0.0.1:8000", "workers": 2, "lanes": 8, "demo": False, **changes}
    return Launch(**options)


@pytest.fixture
def no_env_file(settings: Any, tmp_path: Path) -> None:
    settings.ENV_FILE_NAMES = frozenset()
    settings.DATA_DIR = tmp_path


@pytest.mark.usefixtures("no_env_file")
def test_what_is_not_set_is_embedded(tmp_path: Path) -> None:
    environment = launch_environment(plan(), {"PATH": "/bin"})
    assert environment["REDIS_URL"].startswith("redis://:")
    assert environment["AX_EMBEDDED_REDIS"] == "1"
    assert environment["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert environment["PATH"] == "/bin"


@pytest.mark.usefixtures("no_env_file")
def test_what_is_set_is_used() -> None:
    given = {"REDIS_URL": "redis://redis.example.com/0", "PUBLIC_URL": "https://connect.example.com"}
    assert launch_environment(plan(), given) == given


@pytest.mark.usefixtures("no_env_file")
def test_a_demo_brings_its_own_crm_and_data_folder() -> None:
    environment = launch_environment(plan(demo=True), {})
    assert environment["DATA_DIR"] == ".data/demo"
    assert environment["CRM_API_BASE_URL"] == environment["SANDBOX_URL"] + "/crm"
    assert environment["ALLOW_PRIVATE_HOSTS"] == environment["DEMO"] == "true"
    assert environment["SANDBOX_KEY"].isalnum()


@pytest.mark.usefixtures("no_env_file")
def test_a_demo_in_a_given_folder_stays_there() -> None:
    assert launch_environment(plan(demo=True), {"DATA_DIR": "/srv/trial"})["DATA_DIR"] == "/srv/trial"


def test_a_demo_does_not_see_what_the_env_file_says(settings: Any, tmp_path: Path) -> None:
    settings.ENV_FILE_NAMES, settings.DATA_DIR = frozenset({"DATABASE_URL", "DATA_DIR"}), tmp_path
    given = {"DATABASE_URL": "postgres://real", "DATA_DIR": "real", "LANG": "C"}

    demo, real = launch_environment(plan(demo=True), given), launch_environment(plan(), given)

    assert "DATABASE_URL" not in demo
    assert demo["DATA_DIR"] == ".data/demo"
    assert demo["AX_ENV_FILE"] == ""
    assert real["DATABASE_URL"] == "postgres://real"


def test_the_sandbox_keeps_its_port_next_to_the_web_server_while_it_is_free(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings.ENV_FILE_NAMES, settings.DATA_DIR = frozenset(), tmp_path
    taken: set[int] = set()
    monkeypatch.setattr(launch_plan, "listens", lambda host, port: port in taken)

    assert launch_environment(plan(demo=True), {})["SANDBOX_URL"] == "http://127.0.0.1:8001"
    taken.add(8001)
    assert launch_environment(plan(demo=True), {})["SANDBOX_URL"] != "http://127.0.0.1:8001"


@pytest.mark.parametrize("bind", ["8000", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:0", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_refused_in_words(bind: str) -> None:
    with pytest.raises(NotPossible, match="write HOST:PORT"):
        plan(bind=bind).refuse_nonsense()


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(NotPossible, match="Cannot listen on"):
        plan(bind="192.0.2.1:8000").refuse_nonsense()


@pytest.mark.parametrize("changes", [{"workers": 0}, {"lanes": 0}])
def test_no_workers_and_no_lanes_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(NotPossible, match="write 1 or more"):
        plan(bind=f"127.0.0.1:{free_port()}", **changes).refuse_nonsense()


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("[::]:8000", "http://[::1]:8000"),
    ],
)
def test_the_address_printed_is_one_that_can_be_opened_here(bind: str, url: str) -> None:
    assert plan(bind=bind).url == url


def test_a_data_folder_is_used_by_one_run_at_a_time(tmp_path: Path) -> None:
    again = only_one_at_a_time(tmp_path)
    with only_one_at_a_time(tmp_path), pytest.raises(NotPossible, match="already runs"):
        again.__enter__()
    with only_one_at_a_time(tmp_path):
        assert (tmp_path / "up.lock").exists()


def test_a_server_that_is_not_there_is_not_ready() -> None:
    started = time.monotonic()
    assert ask_readyz("127.0.0.1", free_port()) == Answer()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(), "the web server does not answer"),
        (
            Answer(503, {"database": "ok", "redis": "ok", "scheduler": "silent for 20 s", "workers": 1}),
            "scheduler silent for 20 s",
        ),
        (
            Answer(503, {"database": "ok", "redis": "ok", "scheduler": "ok", "workers": 0}),
            "no worker has reported yet",
        ),
        (Answer(400, {}), "/readyz answers 400"),
    ],
)
def test_what_is_missing_is_said_in_words(answer: Answer, words: str) -> None:
    assert answer.missing == words
