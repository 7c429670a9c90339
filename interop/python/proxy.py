"""A TCP proxy that can cut what goes through it: a network that fails when a check says so."""

import contextlib
import socket
import threading

COPY_BYTES = 65536  # for one read: more than any frame of these checks


class Proxy:
    """Listens on a port of its own and passes everything on to `target`."""

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=copy, args=(source, sink), daemon=True).start()

    def cut(self):
        """Ends all connections that there are; new ones are welcome."""
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Ends everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()


def copy(source, sink):
    """Passes bytes on in one direction until either side has ended."""
    with contextlib.suppress(OSError):
        while data := source.recv(COPY_BYTES):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
