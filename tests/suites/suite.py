"""What the suites share: where they are kept, how a command is run, how its output is read."""

import os
import pathlib
import re
import subprocess
import sys

CACHE = pathlib.Path(__file__).resolve().parents[2] / "build" / "suites"
BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
LIMIT = int(os.environ.get("SUITES_LIMIT", "1800"))  # seconds of one run of a suite
USER = "postgres"  # some of PostgreSQL's tests want the user that initdb has made


class NotHad(Exception):
    """Why a suite cannot be had here."""


def run(command, cwd, limit=LIMIT, **environment):
    """The output of a command, whatever its exit code."""
    return run_for_code(command, cwd, limit, **environment)[1]


def run_for_code(command, cwd, limit=LIMIT, **environment):
    """(exit code or None when it was ended, output)."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        done = subprocess.run(list(map(str, command)), cwd=cwd, env=mine | environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        text = late.stdout or b""
        return None, (text if isinstance(text, str) else text.decode(errors="replace")) + f"\nstill running after {limit} s\n"


def need(command, cwd, **environment):
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=os.environ | environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        raise NotHad(f"{' '.join(map(str, command))}:\n{done.stdout[-1500:]}")
    return done.stdout


def checkout(name, repository):
    """(place, source) of a suite whose package comes without its tests."""
    place = CACHE / name
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "source").exists():
        raise NotHad(f"put a checkout of github.com/{repository} at {place / 'source'}")
    return place, place / "source"


def python_at(place, *requirements):
    """A Python with these packages."""
    if not (place / "venv").exists():
        need([sys.executable, "-m", "venv", place / "venv"], place)
    need([place / "venv/bin/pip", "install", "-q", "--disable-pip-version-check", "pytest", "pytest-timeout", *requirements], place)
    return place / "venv/bin/python"


def pytest_results(text):
    """By pytest's -rA, of which each test has one line; parameters may hold blanks."""
    return {name: how in ("PASSED", "SKIPPED", "XFAIL") for how, name in
            re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL) (tests?/[^\s\[]+(?:\[.*?\])?)", text, re.M)}
