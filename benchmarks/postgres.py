"""A PostgreSQL of its own in a scratch folder, on a free port of loopback, gone when it is closed."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, final

__all__ = ["MissingPostgresError", "Postgres", "free_port"]

_PLACES: Final = Path("/usr/lib/postgresql")
_ACCOUNT: Final = "postgres"
_START_S: Final = 60.0
_SETTINGS: Final = ("fsync=on", "synchronous_commit=on", "shared_buffers=256MB", "listen_addresses=127.0.0.1")


class MissingPostgresError(RuntimeError):
    """PostgreSQL or PostGIS is not installed."""


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@final
class Postgres:
    """A server with one database, ``crm``. Under root it runs as the account that Debian's package makes."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="parsekit-bench-pg-"))
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            account = pwd.getpwnam(_ACCOUNT)
            os.chown(self._folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid}
        self.port = free_port()
        self._run("initdb", "-D", str(self._folder / "data"), "-A", "trust", "-U", _ACCOUNT, "--no-sync")
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        place = ("-p", str(self.port), "-k", str(self._folder))
        self._server = subprocess.Popen(
            [str(self._programs / "postgres"), "-D", str(self._folder / "data"), *place, *settings],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self._folder,
            **self._as,
        )
        self._wait()
        self.ask("CREATE DATABASE crm", database=_ACCOUNT)
        self.ask("CREATE EXTENSION postgis")

    @property
    def uri(self) -> str:
        """The database for clients."""
        return f"postgres://{_ACCOUNT}@127.0.0.1:{self.port}/crm"

    @property
    def version(self) -> str:
        """PostgreSQL's version."""
        return self.ask("SHOW server_version").split()[0]

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(
            command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, timeout=120, **self._as
        )

    def _wait(self) -> None:
        until = time.monotonic() + _START_S
        command = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(command, check=False, timeout=30).returncode:
            if self._server.poll() is not None or time.monotonic() > until:
                self.close()
                raise MissingPostgresError("PostgreSQL did not start")

    def _psql(self, database: str, sql: str) -> list[str]:
        place = ["-h", "127.0.0.1", "-p", str(self.port), "-U", _ACCOUNT, "-d", database]
        return [
            str(self._programs / "psql"),
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            *place,
            "-c",
            sql,
        ]

    def ask(self, sql: str, database: str = "crm") -> str:
        """Run a statement; what psql prints."""
        done = subprocess.run(
            self._psql(database, sql), check=True, capture_output=True, text=True, timeout=300
        )
        return done.stdout

    def copy(self, table: str, columns: Sequence[str], lines: Iterable[str]) -> None:
        """Fill a table from CSV lines."""
        names = ", ".join(f'"{name}"' for name in columns)
        command = self._psql("crm", f'COPY "{table}" ({names}) FROM STDIN WITH (FORMAT csv)')
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as psql:
            assert psql.stdin is not None
            psql.stdin.writelines(lines)
            psql.stdin.close()
        if psql.returncode:
            raise RuntimeError(f"COPY into {table} failed")

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self._server.terminate()
        self._server.wait(timeout=60)
        shutil.rmtree(self._folder, ignore_errors=True)


def _programs() -> Path:
    found = sorted(_PLACES.glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise MissingPostgresError("there is no PostgreSQL under /usr/lib/postgresql")
    version = found[-1].parts[-3]
    if not Path(f"/usr/share/postgresql/{version}/extension/postgis.control").exists():
        raise MissingPostgresError(f"PostgreSQL {version} has no PostGIS")
    return found[-1].parent
