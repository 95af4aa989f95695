"""One ``_Installation`` per device: who is meant by a save (RestWrite.handleInstallation)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit import PFObject
from parsekit.engine.installations import InstallationOptions
from tests.server.caller import CLIENT, MASTER, Caller

ID, OTHER = "12345678-abcd-abcd-abcd-123456789abc", "12345678-abcd-abcd-abcd-123456789abd"
TOKEN = "0433383f2a51df1ba4a9e2f19fc2eda6fa3c38d5b1e9a1dcd1c6a1fc1ba0df00"


@pytest.fixture
def call() -> Iterator[Caller]:
    with parsekit.open() as engine:
        yield Caller(engine)


def _save(call: Caller, headers: dict[str, str] = CLIENT, **fields: Any) -> Any:
    return call("POST", "/installations", fields, headers=headers)


def _all(call: Caller) -> list[dict[str, Any]]:
    found = call("GET", "/installations", headers=MASTER, order="createdAt").body["results"]
    return [{key: row[key] for key in row if key not in ("createdAt", "updatedAt")} for row in found]


def _refused(call: Caller, **fields: Any) -> int:
    return int(_save(call, **fields).body["code"])


class TestNew:
    def test_ids_are_kept_in_lower_case(self, call: Caller) -> None:
        made = _save(
            call, installationId=ID.upper(), deviceToken=TOKEN.upper(), deviceType="ios", channels=["a"]
        )
        assert made.status == 201
        (row,) = _all(call)
        assert (row["installationId"], row["deviceToken"], row["channels"]) == (ID, TOKEN, ["a"])

    def test_tokens_of_other_sizes_stay_as_they_are(self, call: Caller) -> None:
        _save(call, deviceToken="ABC", deviceType="android")
        assert _all(call)[0]["deviceToken"] == "ABC"

    @pytest.mark.parametrize(
        "fields", [{"deviceType": "ios"}, {"installationId": ID}, {"deviceToken": TOKEN}]
    )
    def test_what_is_missing(self, call: Caller, fields: dict[str, str]) -> None:
        assert _refused(call, **fields) == 135

    def test_the_senders_installation_counts(self, call: Caller) -> None:
        headers = {**CLIENT, "x-parse-installation-id": ID.upper()}
        assert _save(call, headers, deviceType="ios").status == 201


class TestAgain:
    def test_the_same_installation_is_updated(self, call: Caller) -> None:
        _save(call, installationId=ID, deviceType="ios")
        again = _save(call, installationId=ID, deviceToken=TOKEN, channels=["b"])
        assert (again.status, set(again.body)) == (200, {"updatedAt"})
        (row,) = _all(call)
        assert (row["deviceToken"], row["channels"]) == (TOKEN, ["b"])

    def test_a_token_without_installation_is_found_by_it(self, call: Caller) -> None:
        _save(call, deviceToken=TOKEN, deviceType="ios")
        assert _save(call, deviceToken=TOKEN, deviceType="ios", badge=1).status == 200
        assert _save(call, deviceToken=TOKEN, deviceType="ios", installationId=ID).status == 200
        (row,) = _all(call)
        assert (row["installationId"], row["badge"]) == (ID, 1)

    def test_a_token_that_moves_to_another_installation(self, call: Caller) -> None:
        _save(call, installationId=ID, deviceToken=TOKEN, deviceType="ios")
        assert _save(call, installationId=OTHER, deviceToken=TOKEN, deviceType="ios").status == 201
        assert [row["installationId"] for row in _all(call)] == [OTHER]

    def test_only_those_of_the_same_app_go(self, call: Caller) -> None:
        _save(call, installationId=ID, deviceToken=TOKEN, deviceType="ios", appIdentifier="a")
        _save(call, installationId=OTHER, deviceToken=TOKEN, deviceType="ios", appIdentifier="b")
        assert len(_all(call)) == 2
        assert _refused(call, deviceToken=TOKEN, deviceType="ios") == 132

    def test_an_installation_that_takes_over_a_token(self, call: Caller) -> None:
        _save(call, installationId=ID, deviceToken=TOKEN, deviceType="ios")
        _save(call, installationId=OTHER, deviceType="ios")
        _save(call, installationId=OTHER, deviceToken=TOKEN, deviceType="ios")
        assert [row["installationId"] for row in _all(call)] == [OTHER]

    @pytest.mark.parametrize(
        ("action", "priority"),
        [(a, p) for a in ("delete", "update") for p in ("deviceToken", "installationId")],
    )
    def test_two_objects_that_are_one_device(self, action: str, priority: str) -> None:
        options = InstallationOptions(
            duplicate_device_token_action=action, duplicate_device_token_merge_priority=priority
        )
        with parsekit.open(installation=options) as engine:
            call = Caller(engine)
            by_id = _save(call, installationId=ID, deviceType="ios").body["objectId"]
            by_token = _save(call, deviceToken=TOKEN, deviceType="ios").body["objectId"]
            assert _save(call, installationId=ID, deviceToken=TOKEN, deviceType="ios").status == 200
            rows = {row["objectId"]: row for row in _all(call)}
            stays, goes = (by_token, by_id) if priority == "deviceToken" else (by_id, by_token)
            assert (rows[stays]["installationId"], rows[stays]["deviceToken"]) == (ID, TOKEN)
            assert (goes in rows) is (action == "update")
            if action == "update":
                assert {"installationId", "deviceToken"}.isdisjoint(rows[goes])


class TestUpdates:
    def test_what_may_not_change(self, call: Caller) -> None:
        made = _save(call, installationId=ID, deviceToken=TOKEN, deviceType="ios").body["objectId"]
        path = f"/installations/{made}"
        assert call("PUT", path, {"installationId": OTHER}).body["code"] == 136
        assert call("PUT", path, {"deviceType": "android"}).body["code"] == 136
        assert call("PUT", path, {"deviceToken": "other", "badge": 3}).status == 200
        assert call("PUT", path, {"channels": {"__op": "AddUnique", "objects": ["x"]}}).status == 200
        nameless = _save(call, deviceToken=TOKEN, deviceType="ios").body["objectId"]
        answer = call.error("PUT", f"/installations/{nameless}", {"deviceToken": "another"})
        assert answer == (136, "deviceToken may not be changed in this operation")
        assert call.error("PUT", "/installations/none", {"deviceToken": "x"})[0] == 101

    def test_a_save_that_names_its_object_takes_the_token_from_others(self, call: Caller) -> None:
        first = _save(call, installationId=ID, deviceToken=TOKEN, deviceType="android").body["objectId"]
        second = _save(call, installationId=OTHER, deviceType="android").body["objectId"]
        call("PUT", f"/installations/{second}", {"deviceToken": TOKEN})
        assert {row["objectId"] for row in _all(call)} == {first, second}
        call("PUT", f"/installations/{second}", {"deviceToken": {"__op": "Delete"}})
        call("PUT", f"/installations/{second}", {"objectId": second, "deviceToken": TOKEN})
        assert [row["objectId"] for row in _all(call)] == [second]

    def test_who_may_what(self, call: Caller) -> None:
        made = _save(call, installationId=ID, deviceType="ios").body["objectId"]
        assert call("GET", "/installations").body["code"] == 119
        assert call("GET", "/classes/_Installation").body["code"] == 119
        assert call("GET", f"/installations/{made}").body["installationId"] == ID
        assert call("DELETE", f"/installations/{made}").body["code"] == 119
        assert call("DELETE", f"/installations/{made}", headers=MASTER).status == 200

    def test_objects_in_process(self, call: Caller) -> None:
        PFObject("_Installation", installationId=ID, deviceType="ios").save()
        PFObject("_Installation", installationId=ID.upper(), badge=2).save()
        (row,) = _all(call)
        assert row["badge"] == 2

    def test_what_the_sender_may_not_write_stays(self) -> None:
        options = InstallationOptions(duplicate_device_token_action_enforce_auth=True)
        with parsekit.open(installation=options) as engine:
            call = Caller(engine)
            _save(call, MASTER, installationId=ID, deviceToken=TOKEN, deviceType="ios", ACL={})
            _save(call, installationId=OTHER, deviceToken=TOKEN, deviceType="ios")
            assert len(_all(call)) == 2
