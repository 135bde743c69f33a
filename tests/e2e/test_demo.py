"""`make demo`: the cluster comes up, every line it prints does what it says when it is pasted, and nothing is left behind."""

import os
import pathlib
import random
import re
import socket
import subprocess
import tempfile
import time

import pytest

from conftest import BINARY, ROOT, free_ports

SERVER_PORTS = [0, 1, 2, 10, 11, 20, 21, 30, 31, 32, 40, 41, 42]  # app's three, two for each of shop's shards, the fourth's, market's three


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def demo():
    """(environment, what up.sh said): a demo in a folder and on ports of its own."""
    # Below the ports that the system hands out to outgoing connections.
    base = next(one for one in random.sample(range(5600, 10000, 50), 80) if not any(listens(one + p) for p in SERVER_PORTS))
    ports = dict(zip(("DATA", "MYSQL", "ADMIN", "HTTP"), free_ports(4))) | {"APP": base, "SHOP": base + 10, "MARKET": base + 40}
    place = pathlib.Path(tempfile.mkdtemp(prefix="ringway-demo-test-"))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    environment |= {f"RINGWAY_DEMO_{name}_PORT": str(port) for name, port in ports.items()}
    environment |= {"RINGWAY_DEMO_DIR": str(place), "RINGWAY_BINARY": str(BINARY)}
    try:
        done = subprocess.run([ROOT / "demo" / "up.sh"], env=environment, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        yield environment, done.stdout
    finally:
        subprocess.run([ROOT / "demo" / "down.sh"], env=environment, capture_output=True, timeout=90)


def paste(environment, text):
    """Runs the lines in one shell, as somebody would paste them: [(line, its output, its exit code)]."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    script = "".join(f"{line}\nprintf '\\n@@ %s\\n' $?\n" for line in lines)
    done = subprocess.run(["bash", "-s"], input=script, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=90)
    parts = re.split(r"\n@@ (\d+)\n", done.stdout)
    assert len(parts) == 2 * len(lines) + 1, done.stdout
    return [(line, parts[2 * i], int(parts[2 * i + 1])) for i, line in enumerate(lines)]


def one(results, word):
    found = [(said, code) for line, said, code in results if word in line]
    assert len(found) == 1, (word, results)
    return found[0]


def cells(said):
    """The cells of psql's first row below the rule."""
    lines = said.splitlines()
    rule = next(i for i, line in enumerate(lines) if re.fullmatch(r"[-+]+", line))
    return [cell.strip() for cell in lines[rule + 1].split("|")]


def said_by(result):
    return [line.split() for line in result[0].splitlines()]


def test_every_line_does_what_it_says(demo):
    environment, said = demo
    results = paste(environment, said.split("Paste these:")[1].split("End it with:")[0])
    assert len(results) == 18
    assert [line for line, _, code in results if code != 0] == [line for line, _, _ in results if "DELETE FROM orders" in line]

    wrote, _ = one(results, "RETURNING id\"")
    assert "INSERT 0 1" in wrote and int(cells(wrote.split("INSERT 0 1")[1])[0]) >= 1
    reads, _ = one(results, "inet_server_port(), count")
    app = int(environment["RINGWAY_DEMO_APP_PORT"])
    assert [int(line.split("|")[0]) for line in reads.split()] in ([app + 1, app + 2] * 2, [app + 2, app + 1] * 2)

    assert "INSERT 0 1" in one(results, "INSERT INTO orders VALUES (7")[0]
    cluster, table, key, canonical, position, shard, node = cells(next(said for line, said, _ in results if 'c "SHOW KEY' in line and "grep" not in line))
    assert (cluster, table, key, canonical) == ("shop", "orders", "42", "42") and node.startswith("127.0.0.1:")
    there = cells(one(results, "ringway_position")[0])
    assert there[:4] == ["7", "42", "chair", "99.00"] and there[-1] == position

    why, _ = one(results, "EXPLAIN (ROUTE)")
    assert "shard" in why and "replica" in why
    assert "(3 rows)" in one(results, "GROUP BY u.name")[0]
    spread, _ = one(results, "INSERT INTO orders VALUES (901")
    assert "INSERT 0 3" in spread and [line.strip() for line in spread.splitlines() if line.strip().isdigit()] == ["1", "2", "3"]
    assert one(results, 'c "BEGIN"')[0].split() == ["BEGIN", "UPDATE", "3", "UPDATE", "3", "COMMIT"]
    refused, code = one(results, "DELETE FROM orders")
    assert code == 1 and "ERROR" in refused and "HINT" in refused
    for lag in (said for line, said, _ in results if "SHOW LAG" in line):
        assert lag.count("| up ") == 12 and lag.count("| primary |") == 5 and "(12 rows)" in lag

    noted, _ = one(results, "LAST_INSERT_ID()")
    assert noted.split()[-2:] == ["1", "1"]
    market = int(environment["RINGWAY_DEMO_MARKET_PORT"])
    line = next(line for line, _, _ in results if "answering_port()" in line)
    passwords = next(line for line, _, _ in results if "MYSQL_PWD" in line)
    again = iter(range(40))  # the replicas of a busy machine may lag
    reads = said_by(one(results, "answering_port()"))
    while {count for _, count in reads} != {"1"} and next(again, None) is not None:
        time.sleep(0.25)
        reads = said_by(paste(environment, f"{passwords}\n{line}")[1][1:])
    assert sorted(int(port) for port, _ in reads) == [market + 1] * 2 + [market + 2] * 2 and {count for _, count in reads} == {"1"}
    assert one(results, "SET time_zone")[0].split()[-2:] == ["+09:00", "11"]
    locked, _ = one(results, "SHOW ROUTE market")
    assert "primary" in locked and "locks rows" in locked


def test_up_again_says_it_again(demo):
    environment, said = demo
    done = subprocess.run([ROOT / "demo" / "up.sh"], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.strip() == said[said.index("Ringway is up"):].strip()


def test_three_commands_move_a_part_to_a_fourth_shard(demo):
    environment, _ = demo
    admin = [BINARY, "admin", "--config", pathlib.Path(environment["RINGWAY_DEMO_DIR"]) / "ringway.toml"]
    steps = [[ROOT / "demo" / "add_shard.sh"], [*admin, "REBALANCE shop", "--follow"], [*admin, "SHOW REBALANCE"]]
    for step in steps:
        done = subprocess.run(step, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
    rows = [[cell.strip() for cell in line.split("|")] for line in done.stdout.splitlines() if "|" in line]
    moves = [dict(zip(rows[0], row)) for row in rows[1:]]
    assert {each["phase"] for each in moves} == {"done"} and {each["target"] for each in moves} == {"s3"} and len(moves) == 3
    assert 0.2 < sum(float(each["share"]) for each in moves) < 0.5 and all(float(each["pause_ms"]) >= 0 for each in moves)


def test_down_leaves_nothing_behind(demo):
    environment, _ = demo
    place = environment["RINGWAY_DEMO_DIR"]
    done = subprocess.run([ROOT / "demo" / "down.sh"], env=environment, capture_output=True, text=True, timeout=90)
    assert (done.returncode, done.stderr) == (0, "")
    assert not os.path.exists(place)
    for name in ("DATA", "MYSQL", "ADMIN", "HTTP"):
        assert not listens(int(environment[f"RINGWAY_DEMO_{name}_PORT"]))
    assert not any(listens(int(environment["RINGWAY_DEMO_APP_PORT"]) + port) for port in SERVER_PORTS)
    left = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if place.encode() in entry.read_bytes():
                left.append(entry.read_bytes())
        except OSError:  # ended meanwhile
            pass
    assert left == []
    again = subprocess.run([ROOT / "demo" / "down.sh"], env=environment, capture_output=True, text=True, timeout=30)
    assert again.returncode == 0
