"""The REST dispatcher: keys, tunneled bodies, routes, batches, errors."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

import parsekit
from parsekit.server import Dispatcher, Request, Response, ServerOptions
from parsekit.server.options import RequestComplexity

OPTIONS = ServerOptions(
    app_id="app",
    master_key="m",
    rest_key="r",
    javascript_key="j",
    maintenance_key="x",
    read_only_master_key="ro",
)
CLIENT = {"x-parse-application-id": "app", "x-parse-rest-api-key": "r"}
MASTER = {"x-parse-application-id": "app", "x-parse-master-key": "m"}


class Caller:
    def __init__(self, engine: parsekit.ParseEngine) -> None:
        self.engine = engine
        self.dispatcher = Dispatcher(engine, OPTIONS)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] = CLIENT,
        **params: Any,
    ) -> Response:
        text = b"" if body is None else json.dumps(body).encode()
        query = {key: value if isinstance(value, str) else json.dumps(value) for key, value in params.items()}
        return self.dispatcher.handle(Request(method, path, query, text, headers))


@pytest.fixture
def call() -> Iterator[Caller]:
    with parsekit.open() as engine:
        yield Caller(engine)


class TestKeys:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"x-parse-application-id": "app"},
            {"x-parse-application-id": "other", "x-parse-rest-api-key": "r"},
            {"x-parse-application-id": "app", "x-parse-rest-api-key": "wrong"},
            {"x-parse-application-id": "app", "x-parse-master-key": "wrong"},
        ],
    )
    def test_wrong_keys(self, call: Caller, headers: dict[str, str]) -> None:
        response = call("GET", "/classes/Deal", headers=headers)
        assert (response.status, response.body) == (403, {"error": "unauthorized"})

    def test_health_needs_none(self, call: Caller) -> None:
        assert call("GET", "/health", headers={}).body == {"status": "ok"}

    def test_a_tunneled_call(self, call: Caller) -> None:
        credentials = {
            "_ApplicationId": "app",
            "_JavaScriptKey": "j",
            "_ClientVersion": "js8",
            "_InstallationId": "i",
        }
        made = call("POST", "/classes/Deal", {**credentials, "title": "x"}, headers={})
        assert made.status == 201
        asked = {**credentials, "_method": "GET", "where": {"title": "x"}}
        (found,) = call("POST", "/classes/Deal", asked, headers={}).body["results"]
        assert set(found) == {"objectId", "createdAt", "updatedAt", "title"}

    def test_basic_authorization(self, call: Caller) -> None:
        def basic(text: str) -> dict[str, str]:
            return {"authorization": "Basic " + base64.b64encode(text.encode()).decode()}

        assert call("GET", "/schemas", headers=basic("app:m")).status == 200
        assert call("GET", "/classes/Deal", headers=basic("app:javascript-key=j")).status == 200
        assert call("GET", "/classes/Deal", headers=basic("app:wrong")).status == 403

    def test_a_read_only_master_reads(self, call: Caller) -> None:
        headers = {"x-parse-application-id": "app", "x-parse-master-key": "ro"}
        assert call("GET", "/schemas", headers=headers).status == 200
        refused = call("POST", "/classes/Deal", {"a": 1}, headers=headers)
        assert (refused.status, refused.body["code"]) == (400, 119)
        assert call("POST", "/schemas/Deal", {}, headers=headers).body["code"] == 119

    def test_only_maintenance_sets_times(self, call: Caller) -> None:
        body = {"createdAt": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"}}
        maintenance = {"x-parse-application-id": "app", "x-parse-maintenance-key": "x"}
        assert call("POST", "/classes/A", body, headers=maintenance).body["createdAt"].startswith("2020-")
        assert not call("POST", "/classes/A", body, headers=MASTER).body["createdAt"].startswith("2020-")
        alone = {"updatedAt": body["createdAt"]}
        made = call("POST", "/classes/A", alone, headers=maintenance).body["objectId"]
        assert not call("GET", f"/classes/A/{made}").body["updatedAt"].startswith("2020-")


class TestClasses:
    def test_create_answers_with_a_location(self, call: Caller) -> None:
        response = call("POST", "/classes/Deal", {"a": 1})
        assert response.headers["Location"] == f"/parse/classes/Deal/{response.body['objectId']}"

    def test_custom_ids_by_option(self) -> None:
        with parsekit.open(allow_custom_object_id=False) as engine:
            call = Caller(engine)
            assert call("POST", "/classes/A", {"objectId": "x"}).body == {
                "code": 105,
                "error": "objectId is an invalid field name.",
            }
            assert call("POST", "/classes/A", {"id": "x"}).body["code"] == 105

    def test_an_empty_custom_id(self, call: Caller) -> None:
        assert call("POST", "/classes/A", {"objectId": ""}).body["code"] == 104

    def test_count_without_results(self, call: Caller) -> None:
        call("POST", "/classes/A", {"n": 1})
        assert call("GET", "/classes/A", limit=0, count=1).body == {"results": [], "count": 1}

    def test_redirected_results_carry_their_class(self, call: Caller) -> None:
        member = call("POST", "/classes/B", {"n": 1}).body["objectId"]
        pointer = {"__type": "Pointer", "className": "B", "objectId": member}
        call("POST", "/classes/A", {"rel": {"__op": "AddRelation", "objects": [pointer]}})
        (found,) = call("GET", "/classes/A", redirectClassNameForKey="rel").body["results"]
        assert (found["className"], found["objectId"]) == ("B", member)

    def test_files_get_their_urls(self, call: Caller) -> None:
        made = call("POST", "/classes/A", {"f": {"__type": "File", "name": "a b.txt"}}).body["objectId"]
        assert call("GET", f"/classes/A/{made}").body["f"]["url"] == "/parse/files/app/a%20b.txt"

    def test_a_client_does_not_say_where_a_file_is(self, call: Caller) -> None:
        file = {"__type": "File", "name": "a.txt", "url": "http://elsewhere.example/a.txt"}
        made = call("POST", "/classes/A", {"f": file}).body["objectId"]
        call("PUT", f"/classes/A/{made}", {"f": file})
        assert call("GET", f"/classes/A/{made}").body["f"]["url"] == "/parse/files/app/a.txt"

    @pytest.mark.parametrize("text", [b"{bad", b'"text"', b"null", b"5"])
    def test_bodies_that_are_no_objects(self, call: Caller, text: bytes) -> None:
        response = call.dispatcher.handle(Request("POST", "/classes/A", {}, text, CLIENT))
        assert response.status == 400
        assert set(response.body) == {"error"}

    def test_unknown_routes(self, call: Caller) -> None:
        response = call("PATCH", "/classes/A")
        assert response.status == 404
        assert "Cannot PATCH /parse/classes/A" in response.body
        assert call("GET", "/<script>").body.count("<script>") == 0

    def test_hints_stay_inside(self, call: Caller) -> None:
        call.engine.schema_edits.create("A", None, {"find": {}}, None)
        assert call("GET", "/classes/A").body == {"code": 119, "error": "Permission denied"}


class TestBatch:
    def test_a_transaction_is_all_or_nothing(self, call: Caller) -> None:
        call("POST", "/classes/A", {"objectId": "a1", "n": 1})
        requests = [
            {"method": "PUT", "path": "/parse/classes/A/a1", "body": {"n": 2}},
            {"method": "POST", "path": "/parse/classes/A", "body": {"n": "text"}},
        ]
        answers = call("POST", "/batch", {"requests": requests}).body
        assert ["success" in answers[0], answers[1]["error"]["code"]] == [True, 111]
        requests[0]["body"] = {"n": 3}
        assert call("POST", "/batch", {"requests": requests, "transaction": True}).status == 400
        assert call("GET", "/classes/A/a1").body["n"] == 2

    def test_the_size_may_be_limited(self) -> None:
        with parsekit.open() as engine:
            few = RequestComplexity(batch_request_limit=1)
            limited = ServerOptions(app_id="app", master_key="m", request_complexity=few)
            request = {"method": "GET", "path": "/parse/classes/A"}
            body = json.dumps({"requests": [request] * 2}).encode()
            headers = {"x-parse-application-id": "app"}
            answer = Dispatcher(engine, limited).handle(Request("POST", "/batch", {}, body, headers))
            assert answer.body["code"] == 107


class TestFunctions:
    def test_call(self, call: Caller) -> None:
        @call.engine.cloud.define("year")
        def year(request: Any) -> Any:
            return {"year": request.params["at"].year, "from": request.context.get("x")}

        moment = {"__type": "Date", "iso": "2024-05-06T00:00:00.000Z"}
        headers = {**CLIENT, "x-parse-cloud-context": '{"x": 1}'}
        assert call("POST", "/functions/year", {"at": moment}, headers=headers).body == {
            "result": {"year": 2024, "from": 1}
        }
        assert call("POST", "/functions/nope", {}).body["code"] == 141

    def test_a_malformed_context(self, call: Caller) -> None:
        headers = {**CLIENT, "x-parse-cloud-context": "[1]"}
        assert call("GET", "/classes/A", headers=headers).body == {
            "code": 107,
            "error": "Invalid object for context.",
        }


class TestSchemas:
    def test_purge_and_drop(self, call: Caller) -> None:
        call("POST", "/classes/A", {"n": 1})
        refused = call("DELETE", "/schemas/A", headers=MASTER)
        assert refused.body == {
            "code": 255,
            "error": "Class A is not empty, contains 1 objects, cannot drop schema.",
        }
        assert call("DELETE", "/purge/A", headers=MASTER).body == {}
        assert call("DELETE", "/schemas/A", headers=MASTER).body == {}
        assert call("GET", "/schemas/A", headers=MASTER).body["code"] == 103

    def test_indexes(self, call: Caller) -> None:
        body = {"fields": {"s": {"type": "String"}}, "indexes": {"byS": {"s": 1}}}
        assert call("POST", "/schemas/A", body, headers=MASTER).body["indexes"] == {
            "_id_": {"_id": 1},
            "byS": {"s": 1},
        }
        again = call("PUT", "/schemas/A", {"indexes": {"byS": {"s": -1}}}, headers=MASTER)
        assert again.body == {"code": 102, "error": "Index byS exists, cannot update."}
        unknown = call("PUT", "/schemas/A", {"indexes": {"byX": {"x": 1}}}, headers=MASTER)
        assert unknown.body["error"] == "Field x does not exist, cannot add index."
        gone = call("PUT", "/schemas/A", {"indexes": {"byS": {"__op": "Delete"}}}, headers=MASTER)
        assert "indexes" not in gone.body

    def test_options_of_a_field(self, call: Caller) -> None:
        fields = {"n": {"type": "Number", "defaultValue": "x"}}
        assert call("POST", "/schemas/A", {"fields": fields}, headers=MASTER).body["error"] == (
            "schema mismatch for A.n default value; expected Number but got String"
        )
        relation = {"r": {"type": "Relation", "targetClass": "B", "required": True}}
        assert call("POST", "/schemas/A", {"fields": relation}, headers=MASTER).body["error"] == (
            "The 'required' option is not applicable for Relation<B>"
        )


def test_server_info(call: Caller) -> None:
    assert call("GET", "/serverInfo").status == 403
    assert call("GET", "/serverInfo", headers=MASTER).body["parseServerVersion"] == "9.10.0"
