"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), message by message: libpq hides what a refusal looks like."""

import base64
import hashlib
import hmac
import os
import struct

from wire import Closed, Wire, cstring, message, startup


def mac(key, text):
    return hmac.digest(key, text.encode() if isinstance(text, str) else text, "sha256")


def sasl(wire, first):
    """The server's answer to one SASL message: its type and body."""
    wire.send(message("p", first))
    return wire.message()


def log_in(port, user, secret, database="app", **more):
    """Logs in; (messages the server sent, its server-first-message, salt and iterations among them)."""
    wire = Wire(port, login=False, **more)
    try:
        wire.send(startup(user, database))
        came = [wire.message()]
        if came[0][0] != "R" or struct.unpack("!i", came[0][1][:4])[0] != 10:
            return came, None
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n=,r={nonce}"
        initial = ("n,," + bare).encode()
        came.append(sasl(wire, cstring("SCRAM-SHA-256") + struct.pack("!i", len(initial)) + initial))
        server_first = came[-1][1][4:].decode()
        attributes = dict(part.split("=", 1) for part in server_first.split(","))
        assert attributes["r"].startswith(nonce)
        salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), base64.b64decode(attributes["s"]), int(attributes["i"]))
        client_key = mac(salted, "Client Key")
        final = f"c=biws,r={attributes['r']}"
        signature = mac(hashlib.sha256(client_key).digest(), f"{bare},{server_first},{final}")
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        came.append(sasl(wire, f"{final},p={base64.b64encode(proof).decode()}".encode()))
        try:
            while came[-1][0] not in "EZ":
                came.append(wire.message())
        except Closed:
            pass
        return came, {"salt": attributes["s"], "iterations": attributes["i"]}
    finally:
        wire.end()
