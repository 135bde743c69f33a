"""What the programs of the Python drivers share: where to connect, and how a check is reported."""

import datetime
import decimal
import inspect
import os
import traceback
import uuid

HOST, PORT, USER, PASSWORD, CA = (os.environ[f"DRIVER_{name}"] for name in ("HOST", "PORT", "USER", "PASSWORD", "CA"))
PORT = int(PORT)
CLIENTS, POOL_SIZE = 8, int(os.environ["DRIVER_POOL_SIZE"])

VALUES = {
    "numbers": [1, None, -3],
    "names": ["a", 'b"c', "d,e", "\\", ""],
    "key": uuid.UUID("00112233-4455-6677-8899-aabbccddeeff"),
    "at": datetime.datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=datetime.timezone.utc),
    "local": datetime.datetime(1999, 12, 31, 1, 2, 3),
    "amount": decimal.Decimal("-12345678901234567890.000123"),
    "bytes": bytes(range(256)),
    "document": {"a": [1, 2.5, None, "\u00e4\"\\"], "b": {"c": True}},
    "flag": True,
    "ratio": 0.1,
    "big": -(2**63),
}


def say(name, why=None):
    print(f"not ok {name}: {why}" if why else f"ok {name}", flush=True)


def reason():
    """The exception under way in one line, with the line of the program it came from."""
    text = traceback.format_exc().strip().splitlines()
    place = [line.strip() for line in text if "_check.py" in line or "check.py" in line]
    error = next((line for line in reversed(text) if ("Error" in line or "Exception" in line) and ":" in line), text[-1])
    return f"{error[:500]} ({place[-1] if place else ''})".replace("\n", " ")


def run(module):
    """Every check of a module, in a line each."""
    for name, check in of(module).items():
        try:
            check()
            say(name)
        except Exception:
            say(name, reason())


def of(module):
    """The check_* functions of a module by the name of their check, in the order they are written."""
    return {name.removeprefix("check_"): made for name, made in vars(module).items() if name.startswith("check_") and inspect.isfunction(made)}
