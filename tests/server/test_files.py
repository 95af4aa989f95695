"""``/files`` through the dispatcher."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

import parsekit
from parsekit.cloud import FileRequest
from parsekit.errors import ParseError
from parsekit.file import DirectoryFiles, PFFile
from parsekit.server import FileDownload, FileUpload
from parsekit.server.media_types import content_type_of, extension_for
from tests.server.caller import CLIENT, MASTER, READER, Caller

OPEN = FileUpload(enable_for_public=True, enable_for_anonymous_user=True)
TYPED = {**CLIENT, "content-type": "text/plain"}


@pytest.fixture
def call() -> Iterator[Caller]:
    with parsekit.open() as engine:
        yield Caller(engine, file_upload=OPEN, public_url="http://x/1")


def _uploaded(call: Caller, name: str = "a.txt", data: bytes = b"hello", **headers: str) -> str:
    answer = call("POST", f"/files/{name}", data, headers={**TYPED, **headers})
    assert answer.status == 201, answer.body
    assert answer.headers["Location"] == answer.body["url"]
    return str(answer.body["url"]).removeprefix("http://x/1")


class TestUploads:
    def test_round_trip(self, call: Caller) -> None:
        path = _uploaded(call)
        assert path.startswith("/files/app/")
        assert path.endswith("_a.txt")
        got = call("GET", path, headers={})
        assert (got.status, got.body) == (200, b"hello")
        assert got.headers["Content-Type"] == "text/plain"
        assert got.headers["X-Content-Type-Options"] == "nosniff"

    def test_as_the_js_sdk_sends_it(self, call: Caller) -> None:
        body = {
            "_ApplicationId": "app", "_JavaScriptKey": "j", "_ContentType": "image/png",
            "base64": base64.b64encode(b"\x00\xff").decode(),
            "fileData": {"metadata": {"by": "ada"}, "tags": {"t": "1"}},
        }  # fmt: skip
        answer = call("POST", "/files/pic", body, headers={"content-type": "text/plain"})
        assert answer.body["name"].endswith("_pic.png")
        path = answer.body["url"].removeprefix("http://x/1")
        got = call("GET", path, headers={})
        assert (got.body, got.headers["Content-Type"]) == (b"\x00\xff", "image/png")
        about = call("GET", path.replace("/app/", "/app/metadata/"), headers={})
        assert about.body == {"metadata": {"by": "ada"}}

    def test_streamed_metadata(self, call: Caller) -> None:
        headers = {"x-parse-upload-mode": "stream", "x-parse-file-metadata": '{"a": 1}'}
        path = _uploaded(call, **headers)
        assert call("GET", path.replace("/app/", "/app/metadata/")).body == {"metadata": {"a": 1}}
        bad = {**TYPED, **headers, "x-parse-file-metadata": "[1]"}
        answer = call.error("POST", "/files/a.txt", b"x", headers=bad)
        assert answer == (107, "Invalid JSON in X-Parse-File-Metadata header.")

    @pytest.mark.parametrize(
        ("name", "code", "text"),
        [
            ("di$avowed.txt", 122, "Filename contains invalid characters."),
            ("x" * 129, 122, "Filename too long."),
            ("a.html", 130, "File upload of extension html is disabled."),
            ("a.HTML", 130, "File upload of extension HTML is disabled."),
            ("a.svg", 130, "File upload of extension svg is disabled."),
            ("", 122, "Filename not provided."),
        ],
    )
    def test_names_that_are_refused(self, call: Caller, name: str, code: int, text: str) -> None:
        assert call.error("POST", f"/files/{name}", b"x", headers=TYPED) == (code, text)

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            ("text/html", "File upload of extension html is disabled."),
            ("image/svg+xml; a=b", "File upload of extension svg+xml is disabled."),
            ("image", "Invalid Content-Type."),
            ("html", "File upload of extension html is disabled."),
            ("image//svg+xml", "Invalid Content-Type."),
        ],
    )
    def test_types_that_are_refused(self, call: Caller, kind: str, text: str) -> None:
        answer = call.error("POST", "/files/a", b"x", headers={**CLIENT, "content-type": kind})
        assert answer == (130, text)
        assert call("POST", "/files/a", b"x", headers={**MASTER, "content-type": kind}).status == 201

    def test_an_empty_upload(self, call: Caller) -> None:
        assert call.error("POST", "/files/a.txt", b"", headers=TYPED) == (130, "Invalid file upload.")

    def test_folders_are_the_masters(self, call: Caller) -> None:
        headers = {"x-parse-upload-mode": "stream", "x-parse-file-directory": "in/voices"}
        refused = call.error("POST", "/files/a.txt", b"x", headers={**TYPED, **headers})
        assert refused == (119, "Directory can only be set using the Master Key.")
        answer = call("POST", "/files/a.txt", b"x", headers={**MASTER, **headers})
        assert answer.body["name"].startswith("in/voices/")
        assert call("GET", answer.body["url"].removeprefix("http://x/1")).body == b"x"
        bad = {**MASTER, **headers, "x-parse-file-directory": "../up"}
        assert call.error("POST", "/files/a.txt", b"x", headers=bad)[0] == 122

    def test_who_may(self) -> None:
        with parsekit.open() as engine:
            call = Caller(engine)
            assert call.error("POST", "/files/a.txt", b"x") == (130, "File upload by public is disabled.")
            user = call.sign_up("ada")
            assert call("POST", "/files/a.txt", b"x", headers=user).status == 201
            anonymous = call("POST", "/users", {"authData": {"anonymous": {"id": "1"}}}).body["sessionToken"]
            headers = {**CLIENT, "x-parse-session-token": anonymous}
            refused = call.error("POST", "/files/a.txt", b"x", headers=headers)
            assert refused == (130, "File upload by anonymous user is disabled.")
            assert call("POST", "/files/a.txt", b"x", headers=MASTER).status == 201
            assert call("POST", "/files/a.txt", b"x", headers=READER).status == 403
            none = FileUpload(enable_for_authenticated_user=False)
            refused = Caller(engine, file_upload=none).error("POST", "/files/a.txt", b"x", headers=user)
            assert refused == (130, "File upload by authenticated user is disabled.")

    def test_keys_are_asked_for(self, call: Caller) -> None:
        assert call("POST", "/files/a.txt", b"x", headers={}).status == 403
        assert (
            call("POST", "/files/a.txt", {"_ApplicationId": "other", "base64": "eA=="}, headers={}).status
            == 403
        )
        wrong = {"x-parse-application-id": "app", "x-parse-rest-api-key": "no"}
        assert call("POST", "/files/a.txt", b"x", headers=wrong).status == 403


class TestDownloads:
    @pytest.mark.parametrize(
        ("asked", "shown", "data"),
        [
            ("bytes=0-4", "0-5/10", b"01234"),
            ("bytes=3-", "3-10/10", b"3456789"),
            ("bytes=-4", "6-10/10", b"6789"),
            ("bytes=2-2", "2-3/10", b"2"),
            ("bytes=0-200", "0-10/10", b"0123456789"),
            ("bytes=150-3", "3-10/10", b"3456789"),
            ("bytes=150-180", "10-10/10", b""),
        ],
    )
    def test_ranges(self, call: Caller, asked: str, shown: str, data: bytes) -> None:
        got = call("GET", _uploaded(call, data=b"0123456789"), headers={"range": asked})
        assert (got.status, got.headers["Content-Range"], got.body) == (206, f"bytes {shown}", data)

    @pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "lines=1-2", "bytes=a-b", ""])
    def test_what_is_no_single_range(self, call: Caller, asked: str) -> None:
        assert call("GET", _uploaded(call), headers={"range": asked}).status == 200

    def test_files_that_are_not_there(self, call: Caller) -> None:
        got = call("GET", "/files/app/none.txt", headers={})
        assert (got.status, got.body, got.headers["Content-Type"]) == (404, "File not found.", "text/plain")
        assert call("GET", "/files/app/metadata/none.txt", headers={}).body == {}
        assert call("GET", "/files/other/none.txt", headers={}).status == 403
        assert call("GET", "/files/other/metadata/none.txt", headers={}).body == {}

    def test_who_may(self, call: Caller) -> None:
        path = _uploaded(call)
        closed = Caller(call.engine, file_download=FileDownload(enable_for_public=False))
        assert closed.error("GET", path, headers={}) == (119, "File download by public is disabled.")
        user = call.sign_up("ada")
        assert closed("GET", path, headers=user).status == 200
        assert closed("GET", path, headers=MASTER).status == 200

    def test_deletes(self, call: Caller) -> None:
        name = _uploaded(call).rpartition("/")[2]
        assert call("DELETE", f"/files/{name}").status == 403
        assert call("DELETE", f"/files/{name}", headers=READER).status == 403
        assert call("DELETE", f"/files/{name}", headers=MASTER).status == 200
        assert call.error("DELETE", f"/files/{name}", headers=MASTER) == (153, "Could not delete file.")

    def test_hooks(self, call: Caller) -> None:
        @call.engine.cloud.after_find(PFFile)
        def download(request: FileRequest) -> None:
            request.force_download = True
            request.response_headers["X-Size"] = str(request.file_size)

        path = _uploaded(call)
        got = call("GET", path)
        assert got.headers["X-Size"] == "5"
        assert got.headers["Content-Disposition"].endswith("_a.txt")

        @call.engine.cloud.before_find(PFFile)
        def refuse(_request: FileRequest) -> None:
            raise ParseError("no files", code=119)

        refused = call("GET", path)
        assert (refused.status, refused.body) == (403, {"code": 119, "error": "no files"})

    def test_old_files_have_their_old_places(self) -> None:
        with parsekit.open() as engine:
            call = Caller(engine, file_key="k")
            names = ["tfss-1.txt", "d6e80979-a128-4c57-a167-302f874700dc-1.txt", "1.txt"]
            files = [{"__type": "File", "name": name} for name in names]
            made = call("POST", "/classes/A", dict(zip("abc", files, strict=True))).body["objectId"]
            got = call("GET", f"/classes/A/{made}").body
            assert [got[key]["url"] for key in "abc"] == [
                "http://files.parsetfss.com/k/tfss-1.txt",
                f"http://files.parse.com/k/{names[1]}",
                "/parse/files/app/1.txt",
            ]

    def test_a_batch_has_no_files(self, call: Caller) -> None:
        requests = [{"method": "DELETE", "path": "/parse/files/a.txt"}]
        answer = call.error("POST", "/batch", {"requests": requests}, headers=MASTER)
        assert answer == (107, "cannot route DELETE /files/a.txt")

    def test_preserved_names_in_a_folder(self, tmp_path: Path) -> None:
        with parsekit.open(files=DirectoryFiles(tmp_path)) as engine:
            call = Caller(engine, file_upload=OPEN, preserve_file_name=True)
            assert call("POST", "/files/a.txt", b"x").body["name"] == "a.txt"
            assert (tmp_path / "a.txt").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("name", "kind"), [("a.txt", "text/plain"), ("a.b.PNG", "image/png"), ("a.zz9", None), ("a", None)]
)
def test_types_of_names(name: str, kind: str | None) -> None:
    assert content_type_of(name) == kind
    assert kind is None or extension_for(kind) in name.lower()
