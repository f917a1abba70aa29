"""A private Redis server that keeps nothing on disk; on request with a login, and with TLS alone.

Owns its process. Never listens beyond 127.0.0.1. Called by the fixtures `redis_server` and `redis_url`, and
by fault tests that stop, freeze or kill it.
"""

import socket
import ssl
from urllib.parse import quote

from tests.services.certificate import Certificate
from tests.services.find import require
from tests.services.process import HOST, Service

Login = tuple[str, str]
"""A user of Redis and the password. Then nobody else may do anything."""


class Redis(Service):
    """Redis on a port of its own; empty after each start."""

    name = "redis"

    def __init__(
        self, port: int | None = None, *, login: Login | None = None, certificate: Certificate | None = None
    ) -> None:
        super().__init__(port)
        self.login = login
        self.certificate = certificate

    @property
    def url(self) -> str:
        """The URL of database 0."""
        return f"{self.scheme}://{self.login_in_url}{HOST}:{self.port}/0{self.trust_in_url}"

    @property
    def scheme(self) -> str:
        return "redis" if self.certificate is None else "rediss"

    @property
    def login_in_url(self) -> str:
        return "" if self.login is None else "{}:{}@".format(*(quote(word, safe="") for word in self.login))

    @property
    def trust_in_url(self) -> str:
        return "" if self.certificate is None else f"?ssl_ca_certs={self.certificate.path}"

    def command(self) -> list[str]:
        words = [
            require("redis-server"),
            *("--bind", HOST),
            *("--save", ""),
            *("--appendonly", "no"),
            *("--daemonize", "no"),
            *("--dir", str(self.folder)),
        ]
        if self.certificate is None:
            words += ["--port", str(self.port)]
        else:
            words += ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"]
            words += [
                "--tls-cert-file",
                str(self.certificate.path),
                "--tls-key-file",
                str(self.certificate.key),
            ]
            words += ["--tls-ca-cert-file", str(self.certificate.path)]
        if self.login is not None:
            user, password = self.login
            words += ["--user", user, "on", f">{password}", "~*", "&*", "+@all", "--user", "default", "off"]
        return words

    def is_ready(self) -> bool:
        return self.send("PING") == "+PONG"

    def flush(self) -> None:
        """Forget everything."""
        self.send("FLUSHALL")

    def _connect(self) -> socket.socket:
        """A connection on which commands may be sent."""
        connection = socket.create_connection((HOST, self.port), timeout=5)
        if self.certificate is not None:
            trust = ssl.create_default_context(cafile=str(self.certificate.path))
            connection = trust.wrap_socket(connection, server_hostname=HOST)
        if self.login is not None:
            connection.sendall('AUTH "{}" "{}"\r\n'.format(*self.login).encode())
            answer = connection.recv(100)
            if answer != b"+OK\r\n":
                raise OSError(f"Redis says {answer!r}")
        return connection

    def send(self, command: str, *, bulk: bool = False) -> str:
        """Send one inline command; return the first line of the answer, or (`bulk`) the text that it
        announces. OSError when nobody answers."""
        with self._connect() as connection:
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as answer:
                line = answer.readline().decode().strip()
                return answer.read(int(line[1:])).decode() if bulk else line

    def items(self, command: str) -> list[str]:
        """Send one inline command whose answer is a list of texts."""
        with self._connect() as connection:
            connection.sendall(command.encode() + b"\r\n")
            with connection.makefile("rb") as answer:
                count = int(answer.readline()[1:])
                return [answer.read(int(answer.readline()[1:]) + 2)[:-2].decode() for _ in range(count)]
