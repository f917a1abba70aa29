"""A certificate of its own for 127.0.0.1, which is its own authority. Called by servers that speak TLS."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services.find import require
from tests.services.process import HOST, ServiceError


@dataclass(frozen=True)
class Certificate:
    """Two PEM files. Whoever trusts the first believes whoever has both."""

    path: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """Make one in this folder. Raises ServiceError."""
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    about = ["-days", "2", "-subj", "/CN=localhost", "-addext", f"subjectAltName=IP:{HOST}"]
    done = subprocess.run(
        [require("openssl"), *new, *about, "-keyout", str(made.key), "-out", str(made.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServiceError(f"openssl failed:\n{done.stderr[-2000:]}")
    return made
