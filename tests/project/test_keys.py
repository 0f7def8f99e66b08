"""Generated keys: made once, for all processes, readable by their owner only."""

import json
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from axconnect.keys import generated_keys

ROOT = Path(__file__).resolve().parents[2]
RACER = """
import sys, time
from pathlib import Path
from axconnect.keys import generated_keys
time.sleep(max(0, float(sys.argv[2]) - time.time()))
print(generated_keys(Path(sys.argv[1]))["secret_key"])
"""


def test_keys_are_made_once_and_kept(tmp_path: Path) -> None:
    first = generated_keys(tmp_path / "new" / "folder")
    assert generated_keys(tmp_path / "new" / "folder") == first
    assert len(first["secret_key"]) >= 50
    assert Fernet(first["field_keys"][0])


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    generated_keys(tmp_path)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_processes_that_race_end_with_the_same_keys(tmp_path: Path) -> None:
    start = str(time.time() + 1.5)
    command = [sys.executable, "-c", RACER, str(tmp_path / "data"), start]
    racers = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    answers = {racer.communicate(timeout=30)[0].strip() for racer in racers}

    assert answers == {json.loads((tmp_path / "data" / "keys.json").read_text())["secret_key"]}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"secret_key": "x"}'])
def test_a_damaged_file_is_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(ImproperlyConfigured, match="damaged"):
        generated_keys(tmp_path)
    assert (tmp_path / "keys.json").read_text() == text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match="Make DATA_DIR writable"):
        generated_keys(tmp_path / "file" / "below")
