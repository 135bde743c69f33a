"""A TCP relay before a server, which can be told to do something when certain bytes pass from the client's side."""

import contextlib
import socket
import threading


class Relay:
    """Listens on a port of its own; `watch(pattern, before, act)` arms it once."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.armed = None
        self.fired = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def watch(self, pattern, before, act):
        """When `pattern` comes: act() instead of passing it on, or after the server has answered it, before that answer
        goes back."""
        with self.lock:
            self.fired.clear()
            self.armed = (pattern, before, act)

    def disarm(self):
        with self.lock:
            self.armed = None

    def close(self):
        self.listener.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                try:
                    server = socket.create_connection(self.target, timeout=10)
                except OSError:
                    client.close()
                    continue
                server.settimeout(None)
                stop = threading.Event()
                threading.Thread(target=self.up, args=(client, server, stop), daemon=True).start()
                threading.Thread(target=self.down, args=(client, server, stop), daemon=True).start()

    def taken(self, data):
        """What is armed, if these bytes are what it waits for."""
        with self.lock:
            if self.armed and self.armed[0] in data:
                armed, self.armed = self.armed, None
                return armed
        return None

    def up(self, client, server, stop):
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                found = self.taken(data)
                if found and found[1]:
                    found[2]()
                    self.fired.set()
                    break
                if found:
                    stop.act = found[2]
                    stop.set()
                server.sendall(data)
        for each in (client, server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def down(self, client, server, stop):
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if stop.is_set():
                    stop.act()
                    self.fired.set()
                    break
                client.sendall(data)
        for each in (client, server):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
