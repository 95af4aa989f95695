"""``parsekit serve`` as a process: where its options come from, and how it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

import parsekit
from parsekit.cli import main
from tests.server.serving import Client, serving

KEYS = ("--app-id", "app", "--master-key", "m")


def test_options_come_from_file_environment_and_command_line(tmp_path: Path) -> None:
    config = tmp_path / "parse.toml"
    config.write_text('masterKey = "file"\nrestAPIKey = "file"\nmaxLimit = 5\n', encoding="utf-8")
    environment = {"PARSE_SERVER_APPLICATION_ID": "app", "PARSE_SERVER_REST_API_KEY": "env"}
    database = tmp_path / "crm.db"
    arguments = (str(database), "--config", str(config), "--master-key", "line", "--mount", "/api")
    with serving(*arguments, "--schema", "crm_schema", **environment) as (port, process):
        client = Client(port, {"X-Parse-Application-Id": "app"}, mount="/api")
        assert client("GET", "/health", headers={}).status == 200
        for name, key, status in (
            ("X-Parse-Master-Key", "line", 200),
            ("X-Parse-Master-Key", "file", 403),
            ("X-Parse-REST-API-Key", "env", 404),
            ("X-Parse-REST-API-Key", "file", 403),
        ):
            answer = client(
                "GET", "/users/x" if status == 404 else "/schemas", headers={**client.headers, name: key}
            )
            assert answer.status == status, (name, key)
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not Path(f"{database}-wal").exists()
    with parsekit.open(database, read_only=True) as engine:
        assert "Deal" in engine.schema


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "options.appId: is missing; options.masterKey: is missing"),
        (
            [*KEYS, "--option", "maxLimt=3"],
            'options.maxLimt: there is no such option; did you mean "maxLimit"?',
        ),
        ([*KEYS, "--option", "maxLimit=many"], "options.maxLimit: expected a whole number, got text"),
        ([*KEYS, "--schema", "no_such_module"], "there is no such module"),
        ([*KEYS, "--config", "/no/such/file"], "cannot be read"),
        ([*KEYS, "--option", "x"], "expected NAME=VALUE"),
    ],
)
def test_what_is_wrong_is_said(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    database = tmp_path / "none.db"
    assert main(["serve", str(database), *arguments]) in (1, 2)
    assert told in capsys.readouterr().err
    assert not database.exists()


def test_a_port_that_is_taken(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(":memory:", *KEYS) as (port, _):
        assert main(["serve", ":memory:", *KEYS, "--port", str(port)]) == 1
    assert "choose another host or port" in capfd.readouterr().err
