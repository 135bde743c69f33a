#!/usr/bin/python3
"""Runs every test and ends with one line: N passed, N failed.

  scripts/run_tests.py BUILD_DIR [unit] [e2e]     both when none is named

Unit tests are the doctest programs BUILD_DIR/test_*; end-to-end tests are tests/e2e under pytest. A program that crashes
or is killed counts as one failed test on top of those it reported.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIT_LIMIT, E2E_LIMIT = 600, int(os.environ.get("RINGWAY_E2E_LIMIT", 4500))   # seconds; sanitizers need longer
SECOND_HALF = r"test_(rebalance|shard)"   # of tests/e2e, by files
PORTS = ("10000-14999", "15000-19999")   # of each half's proxies


def run_unit(program):
    """(passed, failed) of one doctest program; its output is shown when something failed."""
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=UNIT_LIMIT, cwd=ROOT)
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + f"\nended after {UNIT_LIMIT} s", -1
    found = re.search(r"test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed", output)
    passed, failed = (int(found[2]), int(found[3])) if found else (0, 0)
    if code != 0 and failed == 0:
        failed = 1
    if failed:
        print(output)
    print(f"{program.name}: {passed} passed, {failed} failed", flush=True)
    return passed, failed


def run_e2e(build):
    """(passed, failed) of tests/e2e: its halves run beside each other, for most of their time they wait. The first one's
    output is shown as it comes, the others' when they have ended."""
    files = sorted((ROOT / "tests/e2e").glob("test_*.py"))
    if not files:
        print("tests/e2e: there is no test")
        return 0, 1
    halves = [[each for each in files if re.match(SECOND_HALF, each.name) is None], [each for each in files if re.match(SECOND_HALF, each.name)]]
    passed = failed = 0
    end = time.monotonic() + E2E_LIMIT
    with tempfile.TemporaryDirectory() as folder:
        begun = [start_half(build, pathlib.Path(folder) / str(i), half, i) for i, half in enumerate(halves) if half]
        for process, place in begun:
            one = end_half(process, place, end)
            passed, failed = passed + one[0], failed + one[1]
    print(f"tests/e2e: {passed} passed, {failed} failed", flush=True)
    return passed, failed


def start_half(build, place, files, index):
    place.mkdir()
    environment = {**os.environ, "RINGWAY_BINARY": str(build / "ringway"), "PYTHONDONTWRITEBYTECODE": "1", "RINGWAY_TEST_PORTS": PORTS[index]}
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={place}/report.xml", *map(str, files)]
    output = None if index == 0 else open(place / "output", "w")
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, env=environment), place


def end_half(process, place, end):
    """(passed, failed)"""
    try:
        code = process.wait(max(1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        print(f"tests/e2e ended after {E2E_LIMIT} s")
        process.kill()
        code = process.wait()
    if (place / "output").exists():
        print((place / "output").read_text(errors="replace"))
    try:
        suite = tree.parse(place / "report.xml").getroot().find("testsuite")
        count = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    except (OSError, tree.ParseError):
        return 0, 1
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    return passed, failed or int(code != 0)


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    wanted = sys.argv[2:] or ["unit", "e2e"]
    passed = failed = 0
    results = []
    if "unit" in wanted:
        results += [run_unit(program) for program in sorted(build.glob("test_*")) if os.access(program, os.X_OK) and program.is_file()]
    if "e2e" in wanted:
        results.append(run_e2e(build))
    for one in results:
        passed, failed = passed + one[0], failed + one[1]
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0


sys.exit(main())
