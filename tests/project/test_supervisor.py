"""The supervisor with tiny children: real processes, no Django."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from axconnect.supervisor import Part, Stopping, Supervisor, restart_wait

ROOT = Path(__file__).resolve().parents[2]
WAITS = "import time; time.sleep(60)"
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def eventually(is_so: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_so():
            return True
        time.sleep(0.05)
    return is_so()


def send_later(number: signal.Signals, after: float) -> threading.Timer:
    timer = threading.Timer(after, os.kill, (os.getpid(), number))
    timer.start()
    return timer


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with Supervisor(grace_seconds=3) as running:
        yield running


def test_a_killed_child_is_started_again_and_its_launch_name_reported(supervisor: Supervisor) -> None:
    dead: list[str] = []
    child = supervisor.start(Part("worker-1", python(WAITS), on_death=dead.append))
    first, first_name = child.process, child.launch_name
    assert first is not None
    first.kill()

    assert supervisor.wait_until(lambda: child.process is not None and child.process.pid != first.pid, 10)
    assert dead == [first_name]
    assert child.launch_name != first_name
    assert child.is_running


def test_a_child_learns_its_launch_name(supervisor: Supervisor, tmp_path: Path) -> None:
    out = tmp_path / "name"
    code = f"import os; open({str(out)!r}, 'w').write(os.environ['AX_WORKER_NAME'])"

    assert supervisor.run_once(Part("seed", python(code))) == 0
    assert out.read_text().startswith("seed-")


def test_a_failing_release_does_not_keep_a_child_from_coming_back(supervisor: Supervisor) -> None:
    def fail(name: str) -> None:
        raise RuntimeError("the database is away")

    child = supervisor.start(Part("worker-1", python(WAITS), on_death=fail))
    first = child.process
    assert first is not None
    first.kill()

    assert supervisor.wait_until(lambda: child.process is not None and child.process.pid != first.pid, 10)


def test_a_child_that_keeps_dying_at_once_waits_longer_each_time() -> None:
    waits = [restart_wait(deaths) for deaths in range(9)]
    assert waits == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_what_a_dead_child_left_behind_is_ended_before_it_starts_again(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    code = (
        "import subprocess, sys, time\n"
        f"helper = subprocess.Popen([sys.executable, '-c', {WAITS!r}])\n"
        f"open({str(pids)!r}, 'a').write(f'{{helper.pid}}\\n')\n"
        "time.sleep(60)"
    )
    child = supervisor.start(Part("web", python(code)))
    assert supervisor.wait_until(lambda: pids.exists() and pids.read_text().endswith("\n"), 10)
    first, helper = child.process, int(pids.read_text())
    assert first is not None
    first.kill()

    assert supervisor.wait_until(lambda: child.process is not None and child.process.pid != first.pid, 10)
    assert eventually(lambda: not is_alive(helper))


def test_sigterm_ends_all_children_and_the_stubborn_one_after_the_grace() -> None:
    started = time.monotonic()
    with Supervisor(grace_seconds=2) as supervisor:
        kind = supervisor.start(Part("kind", python(WAITS)))
        stubborn = supervisor.start(Part("stubborn", python(IGNORES_SIGTERM)))
        timer = send_later(signal.SIGTERM, 0.5)
        supervisor.run()
    timer.join()

    assert 1 < time.monotonic() - started < 5
    assert kind.process is not None
    assert stubborn.process is not None
    assert kind.process.returncode == -signal.SIGTERM
    assert stubborn.process.returncode == -signal.SIGKILL


def test_a_second_ctrl_c_does_not_wait_for_the_grace() -> None:
    started = time.monotonic()
    with Supervisor(grace_seconds=30) as supervisor:
        child = supervisor.start(Part("stubborn", python(IGNORES_SIGTERM)))
        timers = [send_later(signal.SIGINT, 0.5), send_later(signal.SIGINT, 1.0)]
        supervisor.run()
    for timer in timers:
        timer.join()

    assert time.monotonic() - started < 8
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


def test_parts_that_others_need_end_after_them(tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    code = (
        "import signal, sys, time\n"
        f"def end(*_): time.sleep({{wait}}); open({str(ended)!r}, 'a').write('{{name}} '); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"open({str(ended)!r} + '.{{name}}', 'w').close()\n"
        "time.sleep(60)"
    )
    with Supervisor(grace_seconds=6) as supervisor:
        supervisor.start(Part("redis", python(code.format(name="redis", wait=0)), stops_last=True))
        supervisor.start(Part("worker", python(code.format(name="worker", wait=0.5))))
        both = [tmp_path / "ended.redis", tmp_path / "ended.worker"]
        assert supervisor.wait_until(lambda: all(path.exists() for path in both), 10)

    assert ended.read_text() == "worker redis "


def test_waiting_ends_when_somebody_asks_for_the_end() -> None:
    with Supervisor(grace_seconds=2) as supervisor:
        timer = send_later(signal.SIGTERM, 0.3)
        with pytest.raises(Stopping):
            supervisor.wait_until(lambda: False, 30)
    timer.join()


def test_waiting_gives_up_after_its_time(supervisor: Supervisor) -> None:
    assert supervisor.wait_until(lambda: False, 0.3) is False


def test_run_once_tells_how_it_ended(supervisor: Supervisor) -> None:
    assert supervisor.run_once(Part("seed", python("raise SystemExit(3)"))) == 3


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_children_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import sys\n"
        "from axconnect.supervisor import Part, Supervisor\n"
        "with Supervisor() as supervisor:\n"
        f"    child = supervisor.start(Part('child', [sys.executable, '-c', {WAITS!r}]))\n"
        f"    open({str(pid_file)!r}, 'w').write(f'{{child.process.pid}}\\n')\n"
        "    supervisor.run()"
    )
    parent = subprocess.Popen(python(code), cwd=ROOT)
    try:
        assert eventually(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        child = int(pid_file.read_text())
        assert is_alive(child)
    finally:
        parent.kill()
        parent.wait()

    assert eventually(lambda: not is_alive(child))
