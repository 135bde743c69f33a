"""The command line: --check, init, --help, --version, and what is wrong with it."""

import os
import pathlib
import re
import subprocess

import pytest

from conftest import BINARY, ROOT, admin, knows_tables, toml_of, until

EXAMPLES = sorted((ROOT / "config" / "examples").glob("*.toml"))


def ringway(*words, **environment):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return subprocess.run([BINARY, *map(str, words)], env=clean | environment, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)


# ---- --check ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_in_order_once_its_secrets_and_files_are_there(example, tmp_path, certificate):
    text = example.read_text()
    file = tmp_path / example.name
    file.write_text(text)
    variables = set(re.findall(r'"env:([A-Z_0-9]+)"', text))
    paths = set(re.findall(r'"(?:file:)?((?:tls|secrets)/[^"]+)"', text))
    done = ringway("--config", file, "--check")  # each thing that is missing is told, with its line
    assert (done.returncode == 0) == (not variables and not paths)
    for told in done.stderr.splitlines():
        where, number = told.split(":")[:2]
        line = text.splitlines()[int(number) - 1]
        assert where == str(file) and ("env:" in line or any(path in line for path in paths)), told
    assert all(one in done.stderr for one in variables | paths)
    for path in paths:
        made = tmp_path / path
        made.parent.mkdir(exist_ok=True)
        made.write_bytes(certificate[1 if path.endswith(".key") else 0].read_bytes() if "tls/" in path else b"secret\n")
    done = ringway("--config", file, "--check", **{name: "secret" for name in variables})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{file}: in order, ") and "secret" not in done.stdout


def test_examples_are_there_and_listed():
    listed = re.findall(r"^\| `([a-z-]+\.toml)` \|", (ROOT / "docs" / "configuration.md").read_text(), re.MULTILINE)
    assert sorted(listed) == [path.name for path in EXAMPLES] and len(listed) >= 7


BROKEN = """\
[listen]
postgres = "127.0.0.1:6432"
admin = "127.0.0.1:6432"

[general]
pool_siez = 20
drain_timeout = "5 parsecs"
workers = 65
state_dir = 7

[users.app]
password = "env:RINGWAY_TEST_NOT_SET"
clusters = ["shpo"]

[clusters.shop]
engine = "oracle"

[clusters.shop.shards]
s0 = { nodes = ["127.0.0.1:70000"] }
s1 = { nodes = ["127.0.0.1:5511"], weight = -1 }

[clusters.shop.tables]
orders = { kee = "user_id" }
"""


def test_all_mistakes_at_once_each_with_its_line(tmp_path):
    file = tmp_path / "broken.toml"
    file.write_text(BROKEN)
    done = ringway("--config", file, "--check")
    assert (done.returncode, done.stdout) == (1, "")
    told = {}
    for line in done.stderr.splitlines():
        name, number, text = line.split(":", 2)
        assert name == str(file), line
        told.setdefault(int(number), []).append(text)
    expected = {3: "6432", 6: "pool_size", 7: "drain_timeout", 8: "64", 9: "state_dir", 12: "RINGWAY_TEST_NOT_SET",
                13: "shop", 16: "postgres", 19: "70000", 20: "weight", 23: "key"}
    for line, word in expected.items():
        assert any(word in text for text in told.get(line, [])), (line, word, done.stderr)
    assert told.keys() == expected.keys(), done.stderr
    assert list(told) == sorted(told)
    # The same without --check: it does not start.
    started = ringway("--config", file)
    assert (started.returncode, started.stderr) == (1, done.stderr)


@pytest.mark.parametrize("text, word", [
    ("[listen\n", "broken.toml:1:"),
    ("", "[clusters.NAME]"),
    ("\xff\xfe", "UTF-8"),
    ("a = 1\na = 2\n", "broken.toml:2:"),
])
def test_what_is_no_configuration(tmp_path, text, word):
    file = tmp_path / "broken.toml"
    file.write_bytes(text.encode("latin-1"))
    done = ringway("--config", file, "--check")
    assert done.returncode == 1 and word.lower() in done.stderr.lower(), done.stderr


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        done = ringway("--config", path, "--check")
        assert done.returncode == 1 and str(path) in done.stderr and done.stdout == ""


# ---- init ---------------------------------------------------------------------------------------------------------------

def test_init_is_idempotent_and_agrees_with_show_key(shop_proxy, shop_cluster):
    for shard in shop_cluster.shards:
        shop_cluster.primary(shard).rows("DROP FUNCTION IF EXISTS ringway_position(text)")
    assert until(lambda: knows_tables(shop_proxy, "shop"))
    for _ in range(2):
        done = ringway("init", "--config", shop_proxy.config)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            f"shop {shard} {shop_cluster.primary(shard).address}: installed" for shard in shop_cluster.shards]
    for key in ("1", "42", "-9223372036854775808", "9223372036854775807"):
        shown = admin(shop_proxy, f"SHOW KEY shop users '{key}'")[0]
        for shard in shop_cluster.shards:
            there = shop_cluster.primary(shard).rows("SELECT ringway_position(%s)", [shown["canonical"]], user="app")
            assert there == [(shown["position"],)]
    for one in shop_cluster.nodes:  # replicas have it too, by replication
        shop_cluster.caught_up(one.shard)
        assert one.rows("SELECT count(*) FROM pg_proc WHERE proname = 'ringway_position'") == [(1,)]


def test_init_says_what_went_wrong(shop_proxy, shop_cluster, tmp_path):
    done = ringway("init", "--config", shop_proxy.config, "--cluster", "shpo")
    assert done.returncode == 1 and 'did you mean "shop"?' in done.stderr
    settings = {**shop_proxy.settings, "clusters": {"shop": shop_cluster.section()}}
    nodes = [shop_cluster.primary("s0").address, "127.0.0.1:1"]
    settings["clusters"]["shop"]["shards"] = {"s0": {"nodes": nodes[:1]}, "s1": {"nodes": nodes[1:]}}
    file = tmp_path / "partly.toml"
    file.write_text(toml_of(settings))
    done = ringway("init", "--config", file)
    assert done.returncode == 1
    assert done.stdout == f"shop s0 {nodes[0]}: installed\n"  # what can be done is done
    assert done.stderr.startswith("shop s1") and "127.0.0.1:1" in done.stderr
    replica = shop_cluster.replicas("s0")[0].address
    settings["clusters"]["shop"]["shards"] = {"s0": {"nodes": [replica]}}
    settings["clusters"]["shop"].pop("tables")
    file.write_text(toml_of(settings))
    done = ringway("init", "--config", file)
    assert done.returncode == 1 and "primary" in done.stderr
    done = ringway("init", "--config", shop_proxy.config, "--user", "nobody", "--password", "x")
    assert done.returncode == 1 and "nobody" in done.stderr


# ---- the rest -----------------------------------------------------------------------------------------------------------

def test_help_names_everything_the_manual_names():
    done = ringway("--help")
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("--config", "--check", "--takeover", "--version", "admin", "init"):
        assert word in done.stdout
    for command, words in (("admin", ("--config", "--host", "--port", "--user", "--password", "--json")),
                           ("init", ("--config", "--cluster", "--user", "--password"))):
        done = ringway(command, "--help")
        assert done.returncode == 0 and all(word in done.stdout for word in words)


def test_version():
    done = ringway("--version")
    assert done.returncode == 0 and re.fullmatch(r"Ringway \d+\.\d+\.\d+\S*\n", done.stdout)


@pytest.mark.parametrize("words", [
    [], ["--check"], ["--confg", "x"], ["frobnicate"], ["--config"], ["admin"], ["init"], ["admin", "--port", "x", "SHOW LAG"],
    ["--config", "x", "extra"],
], ids=" ".join)
def test_a_wrong_command_line(words):
    done = ringway(*words)
    assert done.returncode == 2 and done.stdout == "" and "--help" in done.stderr


def test_an_address_in_use_is_told(shop_proxy, tmp_path):
    file = tmp_path / "twice.toml"
    file.write_text(shop_proxy.config.read_text().replace(str(shop_proxy.directory / "state"), str(tmp_path / "state")))
    done = ringway("--config", file)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{shop_proxy.port}" in done.stderr and "in use" in done.stderr


def test_admin_without_a_server_or_a_login(tmp_path):
    done = ringway("admin", "--host", "127.0.0.1", "--port", "1", "--user", "x", "SHOW LAG")
    assert done.returncode == 1 and "refused" in done.stderr and done.stdout == ""
    file = pathlib.Path(tmp_path / "no_admin.toml")
    file.write_text('[listen]\npostgres = "127.0.0.1:6432"\n[users.a]\npassword = "x"\n[clusters.a.shards]\n'
                    's0 = { nodes = ["127.0.0.1:1"] }\n')
    done = ringway("admin", "--config", file, "SHOW LAG")
    assert done.returncode == 1 and "[listen] admin" in done.stderr


def test_a_cluster_that_nobody_could_reach(tmp_path):
    file = tmp_path / "taken.toml"
    file.write_text('[listen]\npostgres = "127.0.0.1:1"\n[users.app]\npassword = "x"\n[clusters.ringway]\n[clusters.ringway.shards]\n'
                    's0 = { nodes = ["127.0.0.1:5511"] }\n')
    done = ringway("--config", file, "--check")
    assert done.returncode == 1 and f"{file}:5:" in done.stderr and "admin port" in done.stderr, done.stderr
