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
import xml.etree.ElementTree as tree

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIT_LIMIT, E2E_LIMIT = 600, int(os.environ.get("RINGWAY_E2E_LIMIT", 4500))   # seconds; sanitizers need longer


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
    """(passed, failed) of tests/e2e."""
    if not any((ROOT / "tests/e2e").glob("test_*.py")):
        print("tests/e2e: there is no test")
        return 0, 1
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.xml")
        environment = {**os.environ, "RINGWAY_BINARY": str(build / "ringway"), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            code = subprocess.run(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}", "tests/e2e"],
                                  stdin=subprocess.DEVNULL, cwd=ROOT, env=environment, timeout=E2E_LIMIT).returncode
        except subprocess.TimeoutExpired:
            print(f"tests/e2e ended after {E2E_LIMIT} s")
            code = -1
        try:
            suite = tree.parse(report).getroot().find("testsuite")
            count = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
        except (OSError, tree.ParseError):
            return 0, 1
    failed = count["failures"] + count["errors"]
    passed = count["tests"] - failed - count["skipped"]
    if code != 0 and failed == 0:
        failed = 1
    print(f"tests/e2e: {passed} passed, {failed} failed", flush=True)
    return passed, failed


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
