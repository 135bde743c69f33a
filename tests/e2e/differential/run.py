#!/usr/bin/python3
"""Compares Ringway before four shards with one PostgreSQL, by hand:

  tests/e2e/differential/run.py [FILE.sql ...] [--random N] [--seed S] [--refused]

Without files and --random: all files of tests/e2e/differential/sql. The proxy is build/ringway, or what RINGWAY_BINARY says.
"""

import argparse
import pathlib
import random
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import conftest  # noqa: E402

from differential import queries, stage  # noqa: E402


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("files", nargs="*", type=pathlib.Path)
    options.add_argument("--random", type=int, default=0, metavar="N", help="run N random queries")
    options.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options.add_argument("--refused", action="store_true", help="print why statements were refused")
    chosen = options.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="ringway-differential-"))
    base.chmod(0o755)
    factory = conftest.Factory(base, lambda: None)
    made, failed = None, False
    try:
        made = stage.Stage(base, factory)
        comparison = made.comparison()
        for path in chosen.files or ([] if chosen.random else stage.FILES):
            begun = time.monotonic()
            tally = comparison.file(path)
            tally.add(comparison.tables(stage.TABLES))
            print(f"{path.name}: {tally}, {time.monotonic() - begun:.1f} s", flush=True)
            failed |= report(tally, chosen.refused)
        if chosen.random:
            print(f"{chosen.random} random queries, --seed {chosen.seed}", flush=True)
            tally = queries.run(comparison, chosen.random, chosen.seed)
            print(f"random: {tally}, {100 * tally.refused / chosen.random:.2f} % refused")
            failed |= report(tally, chosen.refused)
    finally:
        factory.stop_all()
        if made:
            made.down()
        shutil.rmtree(base, ignore_errors=True)
    return 1 if failed else 0


def report(tally, refused):
    for each in tally.different + tally.unexpected:
        print(f"  {each}")
    if refused:
        for why, times in tally.reasons.most_common():
            print(f"  {times} times: {why}")
    return bool(tally.different)


if __name__ == "__main__":
    sys.exit(main())
