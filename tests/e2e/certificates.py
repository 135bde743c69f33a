"""A certificate authority for the tests, by openssl's command line."""

import hashlib
import socket
import ssl
import struct
import subprocess

NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


class Authority:
    """A CA in `base`; issue() makes certificates that it has signed. `ca` is its own."""

    def __init__(self, base):
        base.mkdir()
        self.base, self.ca = base, base / "ca.crt"
        openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={base.name}", "-keyout", base / "ca.key", "-out", self.ca)

    def issue(self, name, common_name="localhost", alternatives="DNS:localhost,IP:127.0.0.1"):
        """(certificate, key) of `common_name`."""
        request, made, key = (self.base / f"{name}.{kind}" for kind in ("csr", "crt", "key"))
        more = ("-addext", f"subjectAltName={alternatives}") if alternatives else ()
        openssl("req", *NEW_KEY, "-subj", f"/CN={common_name}", *more, "-keyout", key, "-out", request)
        openssl("x509", "-req", "-days", "2", "-in", request, "-CA", self.ca, "-CAkey", self.base / "ca.key", "-CAcreateserial",
                "-copy_extensions", "copy", "-out", made)
        key.chmod(0o600)  # else libpq does not take it
        return made, key


def client_side(ca=None, **versions):
    """An ssl context for raw sockets; without `ca` it takes any certificate."""
    made = ssl.create_default_context(cafile=ca)
    if not ca:
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    for name, value in versions.items():
        setattr(made, name, value)
    return made


def shown_certificate(port):
    """The fingerprint of the certificate that is shown to a new connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(struct.pack("!ii", 8, 80877103))
        assert raw.recv(1) == b"S"
        with client_side().wrap_socket(raw) as tls:
            return hashlib.sha256(tls.getpeercert(binary_form=True)).hexdigest()
