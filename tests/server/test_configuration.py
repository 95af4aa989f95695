"""Options by Parse Server's names: from JSON, TOML, environment; what is refused; what the documentation lists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from parsekit import EngineError
from parsekit.server import configuration
from parsekit.server.configuration import from_environment, from_toml, option_names
from parsekit.server.reading import OptionError

PAGE = Path(__file__).parents[2] / "docs" / "server.md"
KEYS = {"appId": "A", "masterKey": "K"}


def test_the_page_lists_every_option() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| about | options |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"`(\w+)`", table)) == option_names()


def test_each_option_goes_where_it_belongs() -> None:
    found = configuration(
        {
            **KEYS,
            "restAPIKey": "R",
            "dotNetKey": "W",
            "mountPath": "/1",
            "maxUploadSize": "5kb",
            "allowOrigin": "https://a.example",
            "fileUpload": {"enableForPublic": True},
            "rateLimit": [{"requestPath": "/login", "requestTimeWindow": 1000, "requestCount": 5}],
            "accountLockout": {"duration": 5, "threshold": 3},
            "defaultLimit": 7,
            "auth": {"phone": {"tokens": {"1": "one"}}},
            "logLevel": "silly",
        }
    )
    server, engine = found.server, found.engine
    assert (server.rest_key, server.windows_key, server.mount, server.max_upload_size) == (
        "R",
        "W",
        "/1",
        5120,
    )
    assert (server.allow_origin, server.file_upload.enable_for_public) == (("https://a.example",), True)
    assert (server.rate_limit[0].request_count, server.rate_limit[0].zone) == (5, "ip")
    assert (engine["default_limit"], engine["auth"].account_lockout.threshold) == (7, 3)
    assert set(engine["auth"].auth) == {"phone"}


def test_the_defaults_are_parse_servers() -> None:
    found = configuration(KEYS)
    assert (found.engine["allow_client_class_creation"], found.engine["allow_custom_object_id"]) == (
        False,
        False,
    )
    assert found.server.master_key_ips == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "options.appId: is missing; options.masterKey: is missing"),
        ({**KEYS, "maxlimit": 3}, 'there is no such option; did you mean "maxLimit"?'),
        ({**KEYS, "maxLimit": "3"}, "options.maxLimit: expected a whole number, got text"),
        ({**KEYS, "maxLimit": True}, "options.maxLimit: expected a whole number, got a boolean"),
        ({**KEYS, "maxUploadSize": "big"}, 'a size such as "20mb"'),
        ({**KEYS, "masterKeyIps": ["10.0.0.0/99"]}, "is no IP address"),
        ({**KEYS, "liveQuery": {"classNames": ["("]}}, "is no regular expression"),
        (
            {**KEYS, "rateLimit": [{"requestPath": "/x", "requestTimeWindow": 1, "requestCount": 1, "zone": "x"}]},
            "rateLimit.zone must be one of global, session, user, or ip",
        ),
        ({**KEYS, "objectIdSize": 0}, "expected a whole number from 1 to"),
        ({**KEYS, "protectedFields": {"A": ["x"]}}, "options.protectedFields.A: expected an object of groups"),
        ({**KEYS, "auth": {"facebook": {"appIds": "x"}}}, "options.auth.facebook"),
        ({**KEYS, "idempotencyOptions": []}, "options.idempotencyOptions: expected an object, got a list"),
        ({**KEYS, "graphQLPath": "/g"}, "there is no such option"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(options: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError) as caught:
        configuration(options)
    assert told in str(caught.value)


LOCKOUT = {"duration": 5, "threshold": 3}
MAIL = {"emailAdapter": {"webhook": "http://x/"}, "appName": "App", "publicServerURL": "http://x/parse"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"accountLockout": {**LOCKOUT, "duration": 0}},
         "Account lockout duration should be greater than 0 and less than 100000"),
        ({"accountLockout": {"duration": 5}},
         "Account lockout threshold should be an integer greater than 0 and less than 1000"),
        ({"accountLockout": {**LOCKOUT, "unlockOnPasswordReset": "yes"}},
         "Parse Server option accountLockout.unlockOnPasswordReset must be a boolean."),
        ({"passwordPolicy": {"maxPasswordAge": -1}}, "passwordPolicy.maxPasswordAge must be a positive number"),
        ({"passwordPolicy": {"maxPasswordHistory": 21}},
         "passwordPolicy.maxPasswordHistory must be an integer ranging 0 - 20"),
        ({"passwordPolicy": {"maxPasswordHistory": 1.5}},
         "passwordPolicy.maxPasswordHistory must be an integer ranging 0 - 20"),
        ({"passwordPolicy": {"resetTokenValidityDuration": 0}},
         "passwordPolicy.resetTokenValidityDuration must be a positive number"),
        ({"passwordPolicy": {"resetTokenReuseIfValid": []}}, "resetTokenReuseIfValid must be a boolean value"),
        ({"passwordPolicy": {"resetTokenReuseIfValid": True}},
         "You cannot use resetTokenReuseIfValid without resetTokenValidityDuration"),
        ({"passwordPolicy": {"validatorPattern": 3}},
         "passwordPolicy.validatorPattern must be a regex string or RegExp object."),
        ({"fileUpload": []}, "fileUpload must be an object value."),
        ({"publicServerURL": "x"},
         "The option publicServerURL must be a valid URL starting with http:// or https://."),
        ({"sessionLength": 0}, "Session length must be a value greater than 0."),
        ({"masterKeyIps": ["here"]}, 'The Parse Server option "masterKeyIps" contains an invalid IP address "here".'),
        ({"defaultLimit": -1}, "Default limit must be a value greater than 0."),
        ({"maxLimit": -100}, "Max limit must be a value greater than 0."),
        ({"allowHeaders": [" "]}, "Allow headers must not contain empty strings"),
        ({"idempotencyOptions": {"ttl": "x"}}, "idempotency TTL value must be a number"),
        ({"pages": {"forceRedirect": 0}}, "Parse Server option pages.forceRedirect must be a boolean."),
        ({"rateLimit": [{"requestPath": "/x"}]}, "rateLimit.requestTimeWindow must be defined"),
        ({"requestComplexity": {"queryDepth": 0}},
         "requestComplexity.queryDepth must be a positive integer or -1 to disable."),
        ({"requestComplexity": {"depth": 1}}, "requestComplexity contains unknown property 'depth'."),
        ({"logLevels": {"triggerAfter": "loud"}},
         "'triggerAfter' must be one of [\"error\",\"warn\",\"info\",\"debug\",\"verbose\",\"silly\",\"silent\"]"),
        ({"readOnlyMasterKey": "K"}, "masterKey and readOnlyMasterKey should be different"),
        ({"verifyUserEmails": True},
         "An emailAdapter is required for e-mail verification and password resets."),
        ({"verifyUserEmails": True, **MAIL, "publicServerURL": None}, "The option publicServerURL is required."),
        ({"verifyUserEmails": True, **MAIL, "emailVerifyTokenReuseIfValid": True},
         "You cannot use emailVerifyTokenReuseIfValid without emailVerifyTokenValidityDuration"),
    ],
)  # fmt: skip
def test_what_parse_refuses_is_said_in_its_words(options: dict[str, Any], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        configuration({**KEYS, **options})
    assert str(caught.value) == words


def test_what_parse_lets_pass_is_let_pass() -> None:
    found = configuration({
        **KEYS, **MAIL, "verifyUserEmails": True, "accountLockout": LOCKOUT, "allowExpiredAuthDataToken": True,
        "passwordPolicy": {"maxPasswordAge": 0, "maxPasswordHistory": 0, "doNotAllowUsername": False},
        "requestComplexity": {"queryDepth": -1}, "rateLimit": [], "maxLimit": None, "logLevels": {},
    })  # fmt: skip
    assert found.engine["auth"].account_lockout.threshold == 3


def test_sessions_that_last_for_ever_have_no_length() -> None:
    found = configuration({**KEYS, "expireInactiveSessions": False, "sessionLength": "-33"})
    assert found.engine["auth"].expire_inactive_sessions is False
    with pytest.raises(OptionError, match="greater than 0"):
        configuration({**KEYS, "sessionLength": "-33"})


def test_no_message_shows_a_key() -> None:
    with pytest.raises(OptionError) as caught:
        configuration({"appId": "A", "masterKey": 12345, "restAPIKey": ["secret"], "nope": "secret"})
    assert "12345" not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "K" not in repr(configuration({"appId": "A", "masterKey": "KKKK"}))


def test_the_environment_is_read_by_parse_servers_variables() -> None:
    found = from_environment(
        {
            "PARSE_SERVER_APPLICATION_ID": "A",
            "PARSE_SERVER_MASTER_KEY": "123",
            "PARSE_SERVER_REST_API_KEY": "R",
            "PARSE_SERVER_MASTER_KEY_IPS": "127.0.0.1, 10.0.0.0/8",
            "PARSE_SERVER_MAX_LIMIT": "50",
            "PARSE_SERVER_ALLOW_CUSTOM_OBJECT_ID": "true",
            "PARSE_SERVER_ENABLE_ANON_USERS": "0",
            "PARSE_SERVER_LIVE_QUERY": '{"classNames": ["Deal"]}',
            "PARSE_PUBLIC_SERVER_URL": "https://example.com/parse",
            "PARSE_SERVER_TEST_DB": "mongo",
            "HOME": "/",
        }
    )
    server = configuration(found).server
    assert (server.app_id, server.master_key, server.max_limit) == ("A", "123", 50)
    assert (server.master_key_ips, server.live_query.class_names) == (("127.0.0.1", "10.0.0.0/8"), ("Deal",))
    assert found["enableAnonymousUsers"] is False
    with pytest.raises(OptionError, match='did you mean "PARSE_SERVER_MASTER_KEY"'):
        from_environment({"PARSE_SERVER_MASTERKEY": "x"})
    with pytest.raises(OptionError, match=r"options\.maxLimit: expected a whole number"):
        configuration({**KEYS, **from_environment({"PARSE_SERVER_MAX_LIMIT": "many"})})


def test_a_file_is_toml(tmp_path: Path) -> None:
    path = tmp_path / "parse.toml"
    path.write_text('appId = "A"\nmasterKey = "K"\n[passwordPolicy]\nmaxPasswordAge = 3\n', encoding="utf-8")
    assert configuration(from_toml(path)).engine["auth"].password_policy.max_password_age == 3
    path.write_text("appId =", encoding="utf-8")
    with pytest.raises(EngineError, match="is not TOML"):
        from_toml(path)
