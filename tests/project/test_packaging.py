"""What is shipped: a pinned lock without addresses, and a way to install it on a bare machine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.txt", "requirements-dev.txt"]
# Written in pieces, so that this file does not hold what it looks for.
REGISTRIES = [
    "".join(parts)
    for parts in [
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("registry.", "npmjs"),
        ("artifact", "ory"),
        ("--index", "-url"),
        ("--extra-index", "-url"),
        ("--find", "-links"),
    ]
]


def pins(name: str) -> dict[str, str]:
    lines = [line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    return {
        re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line
        for line in lines
        if line and not line.startswith("-r")
    }


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_of_the_lock_is_one_exact_version_and_no_address(name: str) -> None:
    for line in pins(name).values():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+( ; [^;]+)?", line), line
    assert not re.search(r"https?:|--|@ ", (ROOT / name).read_text().replace("# ---", ""))


def test_everything_the_project_asks_for_is_locked() -> None:
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=; ]", line)[0].lower() for line in asked}
    assert names <= set(pins("requirements.txt"))


def test_no_file_names_a_package_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {host}"
        for path in tracked_files()
        for host in REGISTRIES
        if host.encode() in path.read_bytes()
    ]
    assert found == []


def copy_installer(folder: Path, lock: str = "") -> Path:
    (folder / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci" / "venv", folder / ".ci" / "venv")
    (folder / "requirements.txt").write_text(lock)
    return folder


def run_installer(folder: Path, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [".ci/venv", "requirements.txt"],
        cwd=folder,
        env={"PATH": f"{path}{os.pathsep}/usr/bin{os.pathsep}/bin", "PYTHON": str(path / "python3")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# A Python whose venv module leaves a half-made folder, as Debian's does without python3-venv.
WITHOUT_VENV = """
if [ "$1" = -m ] && [ "$2" = venv ]; then mkdir -p "$3/bin"; touch "$3/half-made"; exit 1; fi
if [ "$1" = -m ] && [ "$2" = virtualenv ]; then exit 1; fi
exec {python} "$@"
"""
# What a virtualenv makes, as far as the installer uses it: python, with a pip that notes what it was asked.
VIRTUALENV = """
for target in "$@"; do :; done
mkdir -p "$target/bin"
cat >"$target/bin/python" <<'END'
#!/bin/sh
if [ "$1" = -m ]; then echo "$@" >>asked; exit 0; fi
exec {python} "$@"
END
chmod +x "$target/bin/python"
"""


def test_without_the_venv_package_virtualenv_is_used_and_the_half_made_folder_is_gone(tmp_path: Path) -> None:
    path, folder = tmp_path / "bin", copy_installer(tmp_path / "checkout")
    program(path, "python3", WITHOUT_VENV.format(python=sys.executable))
    program(path, "virtualenv", VIRTUALENV.format(python=sys.executable))

    done = run_installer(folder, path)

    assert done.returncode == 0, done.stderr
    assert not (folder / ".venv" / "half-made").exists()
    assert (folder / "asked").read_text().count("pip install") == 1


def test_the_lock_is_installed_again_only_when_it_changes(tmp_path: Path) -> None:
    path, folder = tmp_path / "bin", copy_installer(tmp_path / "checkout")
    program(path, "python3", WITHOUT_VENV.format(python=sys.executable))
    program(path, "virtualenv", VIRTUALENV.format(python=sys.executable))

    run_installer(folder, path)
    run_installer(folder, path)
    assert (folder / "asked").read_text().count("pip install") == 1
    (folder / "requirements.txt").write_text("# changed\n")
    run_installer(folder, path)
    assert (folder / "asked").read_text().count("pip install") == 2


def test_where_nothing_can_make_an_environment_it_says_the_line_to_type(tmp_path: Path) -> None:
    path, folder = tmp_path / "bin", copy_installer(tmp_path / "checkout")
    program(path, "python3", WITHOUT_VENV.format(python=sys.executable))
    program(path, "virtualenv", "exit 1")

    done = run_installer(folder, path)

    assert done.returncode == 1
    assert "apt-get install -y python3-venv" in done.stderr
    assert not (folder / ".venv").exists()


def test_a_python_that_is_too_old_is_refused_in_words(tmp_path: Path) -> None:
    path, folder = tmp_path / "bin", copy_installer(tmp_path / "checkout")
    program(path, "python3", "exit 1")

    done = run_installer(folder, path)

    assert done.returncode == 1
    assert "Python 3.11 or newer" in done.stderr
