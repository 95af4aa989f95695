"""The console examples of docs/cli.md, run one after another on the sample's database."""

import json
import re
import shlex
from pathlib import Path

import pytest

import crm_schema
import parsekit
from crm_schema.sample.importer import import_pipeline
from crm_schema.sample.reader import read_pipeline
from parsekit.cli import main
from parsekit.interchange import mapping_from_json

DOCUMENT = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


def examples():
    """The command lines with what they print."""
    for block in re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL):
        for part in re.split(r"^\$ parsekit ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("docs")
    with parsekit.open(path / "crm.db", schema=crm_schema.SAMPLE_SCHEMA) as engine:
        import_pipeline(engine, read_pipeline())
    return path


def test_the_console_examples_are_true(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    found = list(examples())
    assert len(found) >= 8
    for command, expected in found:
        code = main(shlex.split(command))
        out, err = capsys.readouterr()
        pattern = "".join(
            "(?:.*\n)*" if line == "..." else re.escape(line) + "\n" for line in expected.splitlines()
        )
        assert re.fullmatch(pattern, out + err), f"{command}\n{out}{err}"
        assert code == (1 if expected.startswith("error") else 0), f"{command}\n{out}{err}"


def test_the_mapping_is_one():
    (text,) = re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)
    assert mapping_from_json(json.loads(text)).columns["close_date"].date_format == "%m/%d/%Y"
