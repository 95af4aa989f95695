"""Passwords, tokens and hidden fields appear in no log, no repr, no error and no export, unless asked for.

Secrets are planted, everything that an application, its users or a reader of its log may see is collected, and none of
it may hold one.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import parsekit
from parsekit import (
    PFACL,
    ClassSchema,
    Field,
    Index,
    ParseEngine,
    ParsekitError,
    PFObject,
    PFQuery,
    PFUser,
    Pointer,
    Principal,
    Schema,
)
from parsekit._context import current_binding
from parsekit.auth import AccountLockout, PasswordPolicy, RecordingMailAdapter, TokenTableAdapter
from parsekit.cli import main
from parsekit.engine.bulk import NewObject
from parsekit.errors import ScriptError
from parsekit.interchange import Record, export_file, import_file, import_objects
from parsekit.operations import Add, AddUnique, OperationSet, Remove, Set, SetOnInsert
from parsekit.server.dispatch import Dispatcher
from parsekit.server.options import ServerOptions
from parsekit.server.requests import Request
from parsekit.storage import journal
from tests.auth.kit import auth_options

PASSWORD = "planted-Password-1"
SECOND = "planted-Password-2"
WRONG = "planted-Password-3"
DEVICE = "planted-device-id"
SERVICE_ID = "planted-service-id"
TOKEN_OF_SERVICE = "planted-service-token"
WAGE = "planted-wage"
KEY = "planted-master-key"
PLANTED = "planted-"
ALL = {
    operation: {"*": True} for operation in ("find", "get", "count", "create", "update", "delete", "addField")
}
SCHEMA = Schema([
    ClassSchema.new(
        "Worker",
        {
            "name": Field("String", required=True),
            "wage": Field("String"),
            "rank": Field("String", enum=("a", "b")),
            "boss": Field("Pointer", ("_User",)),
            "n": Field("Number"),
        },
        indexes=[Index("wage", (("wage", False),), unique=True)],
        permissions={**ALL, "protectedFields": {"*": ["wage"]}},
    )
])  # fmt: skip


class Ear:
    """All that was seen or heard."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def see(self, *things: Any) -> None:
        self.said += [form(thing) for thing in things for form in (repr, str)]

    def attempt(self, action: Callable[[], Any]) -> Any:
        """The result of an action, seen; or its error, with the whole traceback."""
        try:
            result = action()
        except (ParsekitError, ValueError, TypeError, LookupError, AttributeError) as error:
            self.see(error, getattr(error, "hint", None), error.args)
            self.said.append("".join(traceback.format_exception(error)))
            return None
        self.see(result)
        return result

    def refused(self, action: Callable[[], Any]) -> None:
        """An action that has to be refused."""
        before = len(self.said)
        assert self.attempt(action) is None, "it was not refused"
        assert len(self.said) > before

    def heard_nothing(self, *secrets: str | None) -> None:
        for text in self.said:
            for secret in (PLANTED, *secrets):
                assert secret is not None
                assert secret not in text


@pytest.fixture
def ear(caplog: pytest.LogCaptureFixture) -> Iterator[Ear]:
    caplog.set_level(logging.DEBUG)
    yield Ear()


@pytest.fixture
def mail() -> RecordingMailAdapter:
    return RecordingMailAdapter()


@pytest.fixture
def engine(tmp_path: Path, mail: RecordingMailAdapter) -> Iterator[ParseEngine]:
    auth = auth_options(
        email_adapter=mail,
        app_name="tests",
        public_server_url="https://parse.example.com",
        account_lockout=AccountLockout(threshold=3, duration=5),
        password_policy=PasswordPolicy(validator_pattern="planted", max_password_history=2),
        auth={"service": TokenTableAdapter({SERVICE_ID: TOKEN_OF_SERVICE})},
    )
    with parsekit.open(tmp_path / "a.db", schema=SCHEMA, auth=auth) as engine:
        yield engine


def logged(caplog: pytest.LogCaptureFixture) -> str:
    formatter = logging.Formatter()
    return "\n".join(formatter.format(record) + repr(record.__dict__) for record in caplog.records)


def test_users_and_sessions(
    engine: ParseEngine,
    mail: RecordingMailAdapter,
    ear: Ear,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    fresh = PFUser(username="ada", password=PASSWORD, email="ada@example.com")
    ear.see(fresh, fresh.local_state, fresh.dirty_keys)
    ada = PFUser.sign_up("bob", password=PASSWORD, email="bob@example.com")
    token = ada.session_token
    ear.see(ada, ada.local_state, current_binding(), current_binding().principal, engine, engine.accounts)
    ear.refused(lambda: PFUser.sign_up("bob", password=SECOND))
    ear.refused(lambda: PFUser.sign_up("eve", password="short"))
    for _ in range(4):
        ear.refused(lambda: PFUser.log_in("bob", WRONG))
    ear.refused(lambda: PFUser.log_in("bob", PASSWORD))  # locked by now
    ear.refused(lambda: PFUser.become(f"r:{WRONG}"))
    ear.refused(lambda: PFUser.log_in_with("service", {"access_token": WRONG, "id": SERVICE_ID}))
    ear.refused(lambda: PFUser.log_in_with("nothing", {"id": DEVICE}))
    ear.attempt(lambda: PFUser.log_in_with("service", {"access_token": TOKEN_OF_SERVICE, "id": SERVICE_ID}))
    ear.attempt(lambda: PFUser.log_in_with("anonymous", {"id": DEVICE}))
    with engine.acting_as(ada):
        ada["password"] = SECOND
        ear.see(ada, ada.local_state)
        ada.save()
        ada["password"] = PASSWORD
        ear.refused(ada.save)  # had before
        ada.revert()
    PFUser.request_password_reset("bob@example.com")
    ear.see(mail.sent, engine.options)
    reset = mail.sent[-1].token
    ear.refused(lambda: engine.accounts.mail_tokens.reset_password(WRONG, SECOND))
    with engine.acting_as_master():
        sessions = PFQuery("_Session").find()
        ear.see(sessions, [session.local_state for session in sessions], PFQuery("_User").find())
        exported = tmp_path / "all.jsonl"
        export_file(engine, exported, [PFQuery("_User"), PFQuery("_Role"), PFQuery("Worker")])
    for secret in (PASSWORD, SECOND, WRONG, token, reset, "$argon2"):
        assert secret is not None
        assert secret not in exported.read_text()
    ear.said.append(logged(caplog))
    ear.heard_nothing(token, reset, "$argon2")
    engine.backup(tmp_path / "copy.db")
    for secret in (PASSWORD, SECOND, WRONG):
        assert secret.encode() not in (tmp_path / "copy.db").read_bytes()


def test_hidden_fields(
    engine: ParseEngine, ear: Ear, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with engine.acting_as_master():
        one, two = PFObject("Worker", name="Bo", wage=WAGE), PFObject("Worker", name="Cy", wage=WAGE + "2")
        PFObject.save_all([one, two])
        ear.see(one, one.local_state, [one, two], PFQuery("Worker").find())
        ear.refused(lambda: PFObject("Worker", name="Di", wage=WAGE).save())  # unique
        ear.refused(lambda: PFObject("Worker", name="Di", n=WAGE).save())
        ear.refused(lambda: PFObject("Worker", name="Di", rank=WAGE).save())
        ear.refused(lambda: PFObject("Worker", name="Di", boss=WAGE).save())
        ear.refused(lambda: PFObject("Worker", wage=WAGE + "3").save())
        ear.refused(lambda: PFObject("Worker", name="Di", inner={WAGE: {"$x": WAGE}, "$y": WAGE}).save())
        ear.see(engine.history(one), engine.check(), engine.check_security())
        ear.see(*journal.entries(engine.store.database.reader(), 0))
    query = PFQuery("Worker")
    worker = query.get(one.object_id)
    assert "wage" not in worker
    ear.see(worker, worker.to_json(), query.find(), query.explain(), engine.history(worker))
    ear.refused(lambda: PFQuery("Worker").where_key("wage", equal_to="x").find())
    ear.refused(lambda: PFQuery("Worker").order_by_ascending("wage").find())
    ear.refused(lambda: worker["wage"])
    export_file(engine, tmp_path / "Worker.json", [PFQuery("Worker")])
    ear.said.append((tmp_path / "Worker.json").read_text())
    ear.said.append(logged(caplog))
    ear.heard_nothing()


def test_what_listeners_and_hooks_are_given(
    engine: ParseEngine, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    engine.on_changes(lambda changes: ear.see(changes, *changes))

    @engine.cloud.before_save("Worker")
    def before(request: Any) -> None:
        ear.see(request, request.object, request.caller)

    @engine.cloud.after_save("Worker")
    def after(request: Any) -> None:
        ear.see(request, request.original)
        raise ScriptError("it failed")

    @engine.cloud.before_login()
    def login(request: Any) -> None:
        ear.see(request, request.object)

    @engine.cloud.define("pay")
    def pay(request: Any) -> None:
        ear.see(request.caller, request.user)

    PFUser.sign_up("ada", password=PASSWORD)
    PFUser.log_in("ada", PASSWORD)
    with PFQuery("Worker").subscribe() as subscription:
        worker = PFObject("Worker", name="Bo", wage=WAGE)
        worker.save()
        worker["wage"] = WAGE + "2"
        worker.save()
        ear.see(subscription, *subscription.pending())
    ear.attempt(lambda: engine.hooks.call_function("pay", {"wage": WAGE}, Principal.anonymous(), {}))
    assert "it failed" in logged(caplog)
    ear.said.append(logged(caplog))
    ear.heard_nothing()


def test_imports(engine: ParseEngine, ear: Ear, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    rows = [
        {"name": "Bo", "n": WAGE},
        {"name": "Bo", "rank": WAGE},
        {"wage": WAGE},
        {"name": "Bo", "boss": {"__type": "Pointer", "className": "Worker", "objectId": WAGE}},
        {"name": "Bo", "createdAt": WAGE},
    ]
    (tmp_path / "Worker.jsonl").write_text(
        "\n".join(json.dumps(row) for row in rows) + f'\n{{"x": {WAGE}\n{WAGE}\n'
    )
    (tmp_path / "Worker.json").write_text(f'{{"results": [{{"name": "Bo", "n": "{WAGE}"}}, {WAGE}')
    (tmp_path / "Worker.csv").write_text(f"name,n,createdAt\nBo,{WAGE},{WAGE}\n{WAGE}\n")
    with engine.acting_as_master():
        for name in ("Worker.jsonl", "Worker.json", "Worker.csv"):
            ear.refused(lambda name=name: import_file(engine, tmp_path / name, class_name="Worker"))
        users = [Record("_User", {"username": "ada", "password": PASSWORD})] * 2
        ear.refused(lambda: import_objects(engine, users))
    ear.see(users, NewObject({"password": PASSWORD}))
    ear.said.append(logged(caplog))
    ear.heard_nothing()


def test_the_server(engine: ParseEngine, ear: Ear, caplog: pytest.LogCaptureFixture) -> None:
    options = ServerOptions(app_id="app", master_key=KEY)
    dispatcher = Dispatcher(engine, options)
    base = {"x-parse-application-id": "app", "content-type": "application/json"}

    def ask(method: str, path: str, body: Any = None, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(
            method, path, body=json.dumps(body).encode() if body else b"", headers={**base, **named}
        )
        ear.see(request)
        answer = dispatcher.handle(request)
        ear.see(answer)
        return answer

    made = ask("POST", "/users", {"username": "ada", "password": PASSWORD})
    token = made.body["sessionToken"]
    wrong = [
        ask("POST", "/login", {"username": "ada", "password": WRONG}),
        ask("POST", "/users", {"username": "ada", "password": SECOND}),
        ask("GET", "/users/me", x_parse_session_token=f"r:{WRONG}"),
        ask("GET", "/schemas", x_parse_master_key=WRONG),
        ask("POST", "/classes/Worker", {"name": "Bo", "n": WAGE}),
        ask("PUT", "/users/nobody", {"password": SECOND}, x_parse_session_token=token),
    ]
    assert all(answer.status >= 400 for answer in wrong)
    ear.said += [json.dumps(answer.body) for answer in wrong]
    me = ask("GET", "/users/me", x_parse_session_token=token).body
    assert me.pop("sessionToken") == token  # asked for, by its owner
    ear.said.append(json.dumps(me))
    ear.see(options, engine)
    ear.said.append(logged(caplog))
    ear.heard_nothing(token, "$argon2")


def test_the_command_line(
    engine: ParseEngine, ear: Ear, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = PFUser.sign_up("ada", password=PASSWORD)
    token = ada.session_token
    with engine.acting_as_master():
        PFObject("Worker", name="Bo", wage=WAGE, ACL=PFACL.with_user(ada)).save()
    engine.close()
    database = str(tmp_path / "a.db")
    for line in (
        ("export", database),
        ("find", database, "_User", "--as-master", "--json"),
        ("check", database, "--security"),
        ("acl", "explain", database, "Worker", "--as-master", "--for", "ada"),
        ("find", database, "Worker", "--as", "ada"),
        ("export", database, "Worker", "--as", "ada"),
    ):
        assert main(list(line)) in (0, 1)
        found = capsys.readouterr()
        text = found.out + found.err
        assert "Bo" in text or "ada" in text or "check" in line or "acl" in line
        assert PASSWORD not in text
        assert "$argon2" not in text
        assert token is not None and token not in text
        if "ada" in line:
            assert WAGE not in text


@pytest.mark.parametrize("kind", [Set, SetOnInsert])
def test_pending_operations_do_not_show_their_values(kind: Any) -> None:
    operations = OperationSet()
    operations.perform("password", kind(PASSWORD))
    assert PASSWORD not in repr(operations)
    for made in (kind(PASSWORD), Add((PASSWORD,)), AddUnique((PASSWORD,)), Remove((PASSWORD,))):
        assert PASSWORD not in repr(made)
    assert "planted" in repr(Pointer("Worker", "planted"))  # an id is a name, not a content
