"""The sandbox as a process of its own, and what hangs where."""

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from integrations.sandbox.mount import find_emr_apps
from integrations.sandbox.server import main, serve_in_thread
from integrations.sandbox.state import State

from .conftest import KEY, SETUP, Crm

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def running(*options):
    """Run the server as a process; yield it with its address."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "integrations.sandbox.server",
        "--bind",
        f"127.0.0.1:{port}",
        "--key",
        KEY,
    ]
    process = subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            with contextlib.suppress(requests.ConnectionError):
                requests.get(f"{url}/healthz", timeout=5)
                break
            time.sleep(0.05)
        yield process, url
    finally:
        process.kill()
        process.communicate()


def end(process):
    """End a server politely; return how long it took and what it printed."""
    began = time.monotonic()
    process.terminate()
    printed, _ = process.communicate(timeout=10)
    return time.monotonic() - began, printed


both_kinds = pytest.mark.parametrize("options", [(), ("--light",)], ids=["gunicorn", "light"])


@both_kinds
def test_it_ends_quietly_within_two_seconds_and_keeps_its_state(tmp_path, options):
    file = tmp_path / "state.json"
    with running("--state", str(file), *options) as (process, url):
        crm = Crm(url)
        crm.set_up()
        contact_id = crm.contact(email="ada@example.com")
        took, printed = end(process)
        assert took < 2
        assert printed == ""
        assert process.returncode == 0
    assert len(json.loads(file.read_text())["contacts"]) == 1
    with running("--state", str(file), *options) as (process, url):
        assert Crm(url).read(contact_id)["email"] == "ada@example.com"
        end(process)


@both_kinds
def test_a_hanging_call_does_not_hold_up_the_end(options):
    with running(*options) as (process, url):
        crm = Crm(url)
        crm.set_up()
        crm.fault("GET /locations/{id}", kind="hang", seconds=60)
        outcome = []

        def call():
            try:
                crm.call("GET", "/locations/LOC1")
            except requests.ConnectionError as error:
                outcome.append(error)

        caller = threading.Thread(target=call)
        caller.start()
        while crm.door("GET", "/faults")["rules"]:
            time.sleep(0.01)
        took, _ = end(process)
        caller.join(5)
        assert took < 2
        assert len(outcome) == 1


@both_kinds
def test_closed_connections_and_answers_work_there_too(options):
    with running(*options) as (process, url):
        crm = Crm(url)
        crm.set_up()
        crm.fault("POST /contacts/", kind="close", after=True)
        with pytest.raises(requests.ConnectionError):
            crm.contact(email="ada@example.com")
        found = crm.ok("GET", "/contacts/search/duplicate?locationId=LOC1&email=ada@example.com")
        assert found["contact"]["firstName"] == "Ada"
        assert crm.ok("DELETE", f"/contacts/{found['contact']['id']}/tags", {"tags": ["x"]})["tags"] == []
        _, printed = end(process)
        assert printed == ""


def test_a_key_is_needed_to_start(monkeypatch, capsys):
    monkeypatch.delenv("SANDBOX_KEY", raising=False)
    with pytest.raises(SystemExit):
        main(["--bind", "127.0.0.1:0"])
    assert "SANDBOX_KEY" in capsys.readouterr().err


def test_the_sandbox_needs_no_django():
    code = "import sys, integrations.sandbox.server; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_connection_stays_open_for_many_requests(crm):
    with socket.create_connection(crm.url.removeprefix("http://").split(":"), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: sandbox\r\n\r\n")
            assert connection.recv(65_536).endswith(b'{"status": "ok"}')


def test_contacts_written_at_once_are_all_there_and_none_twice(crm, state):
    outcomes = []

    def work():
        one = Crm(crm.url)
        for number in range(20):
            body = {"locationId": "LOC1", "email": f"p{number}@example.com"}
            outcomes.append(one.call("POST", "/contacts/", body).status_code)
        one.session.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count(201), outcomes.count(400)) == (20, 140)
    assert crm.door("GET", "/summary")["contacts"] == 20
    assert crm.door("GET", "/requests")["total"] == 160


EMR = """
def make_app(state):
    def app(environ, start_response):
        seen = state.emr("zenith")
        seen["calls"] = seen.get("calls", 0) + 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["SCRIPT_NAME"].encode(), b" ", environ["PATH_INFO"].encode()]
    return app
"""


@pytest.fixture
def emrs(tmp_path, monkeypatch):
    """A package of EMR folders: one with a sandbox, one whose sandbox brings no application, one without."""
    package = tmp_path / "pretend_emrs"
    for slug, text in (("zenith", EMR), ("bare", ""), ("none", None)):
        folder = package / slug
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        if text is not None:
            (folder / "sandbox.py").write_text(text)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.startswith("pretend_emrs")]:
        del sys.modules[name]


def test_an_emr_folder_with_a_sandbox_is_mounted(emrs):
    state = State(key=KEY)
    url, stop = serve_in_thread(state, emrs="pretend_emrs")
    assert requests.get(f"{url}/emr/zenith/a/b", timeout=5).text == "/emr/zenith /a/b"
    assert requests.get(f"{url}/emr/bare/", timeout=5).status_code == 404
    assert requests.get(f"{url}/emr/none/", timeout=5).status_code == 404
    assert state.emr("zenith") == {"calls": 1}
    stop()


def test_faults_work_for_an_emr_too(emrs):
    state = State(key=KEY)
    url, stop = serve_in_thread(state, emrs="pretend_emrs")
    crm = Crm(url)
    crm.door("POST", "/sub-accounts", SETUP)
    scope = "emr/zenith"
    rules = [
        {"route": "GET /patients*", "status": 429, "retry_after": 3},
        {"route": "GET /late", "after": True},
    ]
    crm.door("POST", "/faults", {"scope": scope, "rules": rules})
    answer = requests.get(f"{url}/{scope}/patients/5", timeout=5)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "3")
    assert requests.get(f"{url}/{scope}/patients/5", timeout=5).status_code == 200
    assert requests.get(f"{url}/{scope}/late", timeout=5).status_code == 503
    assert state.emr("zenith") == {"calls": 2}
    crm.door("POST", "/faults", {"scope": scope, "outage": True})
    assert requests.get(f"{url}/{scope}/x", timeout=5).status_code == 503
    assert crm.call("GET", "/locations/LOC1").status_code == 200
    crm.door("POST", "/faults", {"scope": scope, "outage": False, "rules": [{"route": "*", "kind": "slow"}]})
    assert requests.get(f"{url}/{scope}/x", timeout=5).text == "/emr/zenith /x"
    crm.session.close()
    stop()


def test_an_emr_sandbox_that_cannot_be_imported_is_not_hidden(emrs):
    (emrs / "zenith" / "sandbox.py").write_text("import no_such_module_anywhere")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_anywhere"):
        find_emr_apps(State(key=KEY), "pretend_emrs")


def test_without_a_package_of_emrs_there_are_none():
    assert find_emr_apps(State(key=KEY), "no_such_package_of_emrs") == {}
