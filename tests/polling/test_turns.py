"""A connection's speed limit: shared by all processes through Redis, each with its share without."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import django_rq
import pytest

from axconnect.embedded_redis import EmbeddedRedis
from integrations.contract.errors import RateLimited
from integrations.sync import emr_turns
from tests.faults.programs import ROOT, plain_environment

SPEED, SECONDS = 20.0, 3.0
# Each prints the times at which it was let through, by the one clock of this machine.
TURNS = f"""
import threading, time
import django
django.setup()
from integrations.sync.emr_turns import wait_turn
ends, times = time.monotonic() + {SECONDS}, []
def work():
    while time.monotonic() < ends:
        wait_turn(7, {SPEED}, patience=60)
        times.append(time.monotonic())
threads = [threading.Thread(target=work) for _ in range(4)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(*times)
"""


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis.plan(tmp_path)
    process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 15
        while not server.answers() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def let_through(processes: int, tmp_path: Path, redis_url: str, **more: str) -> list[float]:
    environment = plain_environment() | {
        "DJANGO_SETTINGS_MODULE": "axconnect.settings",
        "DATA_DIR": str(tmp_path),
        "REDIS_URL": redis_url,
        "AX_ENV_FILE": "",
        **more,
    }
    running = [
        subprocess.Popen(
            [sys.executable, "-c", TURNS],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(processes)
    ]
    return sorted(float(word) for one in running for word in one.communicate(timeout=120)[0].split())


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(start <= other < start + seconds for other in times) for start in times)


def test_threads_of_two_processes_never_exceed_the_limit_together(
    own_redis: EmbeddedRedis, tmp_path: Path
) -> None:
    times = let_through(2, tmp_path, own_redis.url)
    burst = SPEED * emr_turns.BURST_SECONDS
    for seconds in (0.5, 1.0, 2.0):
        # One more where a slot is let through a little late and the next on time.
        assert most_within(times, seconds) <= SPEED * seconds + burst + 2, seconds
    assert len(times) >= 0.6 * SPEED * SECONDS, "and they use it"


def test_without_redis_each_process_keeps_its_share(tmp_path: Path) -> None:
    times = let_through(2, tmp_path, "unix:///nobody-listens-here", WORKERS="1")
    assert most_within(times, 1.0) <= SPEED + 2
    assert len(times) >= 0.5 * SPEED * SECONDS


@pytest.fixture
def alone(settings) -> Iterator[None]:
    settings.REDIS_URL, settings.WORKERS = "unix:///nobody-listens-here", 0
    emr_turns._own_slots.clear()
    yield
    emr_turns._own_slots.clear()


def test_a_turn_that_is_too_far_away_is_not_taken(alone: None) -> None:
    emr_turns.wait_turn(7, 0.5, patience=0.0)
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            emr_turns.wait_turn(7, 0.5, patience=1.0)
        assert 1.0 < caught.value.retry_after <= 2.0, "waiting for it did not move it further away"
    emr_turns.wait_turn(8, 0.5, patience=0.0)


def test_connections_do_not_wait_for_each_other(alone: None) -> None:
    began = time.monotonic()
    threads = [
        threading.Thread(target=emr_turns.wait_turn, args=(number, 0.5), kwargs={"patience": 0.0})
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 1.0


def test_redis_that_goes_away_is_asked_again_after_a_moment(
    own_redis: EmbeddedRedis, settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "unix:///nobody-listens-here"
    emr_turns.wait_turn(9, 1000.0)
    assert emr_turns._redis_away_until > time.monotonic()
    monkeypatch.setattr(emr_turns, "_redis_away_until", 0.0)
    settings.REDIS_URL = own_redis.url
    emr_turns._scripts.clear()
    queues = {name: {"URL": own_redis.url} for name in settings.RQ_QUEUES}
    monkeypatch.setattr(django_rq.settings, "QUEUES", queues)
    emr_turns.wait_turn(9, 1000.0)
    assert emr_turns._redis_away_until == 0.0
    emr_turns._scripts.clear()
