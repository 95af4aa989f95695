"""Options that Parse Server refuses, in its own words, and that nothing else is refused by them."""

from __future__ import annotations

from typing import Any

import pytest

from parsekit.server import configuration
from parsekit.server.option_rules import refusal
from parsekit.server.reading import OptionError

KEYS = {"appId": "A", "masterKey": "K"}
LIMIT = {"requestPath": "/x", "requestTimeWindow": 1, "requestCount": 1}
LOCKOUT = {"duration": 5, "threshold": 3}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"masterKey": "k", "readOnlyMasterKey": "k"}, "masterKey and readOnlyMasterKey should be different"),
        ({"accountLockout": {"duration": 0, "threshold": 1}}, "duration should be greater than 0"),
        ({"accountLockout": {"duration": 1}}, "threshold should be an integer greater than 0"),
        ({"accountLockout": {**LOCKOUT, "threshold": 1.5}}, "threshold should be an integer greater than 0"),
        ({"accountLockout": {**LOCKOUT, "unlockOnPasswordReset": 1}}, "unlockOnPasswordReset must be a boolean."),
        ({"passwordPolicy": {"maxPasswordAge": "not"}}, "maxPasswordAge must be a positive number"),
        ({"passwordPolicy": {"resetTokenReuseIfValid": True}}, "without resetTokenValidityDuration"),
        ({"passwordPolicy": {"validatorPattern": 1}}, "must be a regex string or RegExp object."),
        ({"passwordPolicy": {"validatorCallback": "f"}}, "validatorCallback must be a function."),
        ({"fileUpload": None}, "fileUpload must be an object value."),
        ({"fileUpload": [1]}, "fileUpload must be an object value."),
        ({"fileUpload": {"fileExtensions": "a"}}, "fileUpload.fileExtensions must be an array."),
        ({"fileDownload": {"enableForPublic": "a"}}, "fileDownload.enableForPublic must be a boolean value."),
        ({"extendSessionOnUse": "yes"}, "extendSessionOnUse must be a boolean value"),
        ({"publicServerURL": "a.example"}, "must be a valid URL starting with http:// or https://."),
        ({"publicServerURL": 1}, "must be a string or function, but got number."),
        ({"sessionLength": "test"}, "Session length must be a valid number."),
        ({"sessionLength": "-33"}, "Session length must be a value greater than 0."),
        ({"masterKeyIps": ["1.2.3"]}, '"masterKeyIps" contains an invalid IP address "1.2.3".'),
        ({"defaultLimit": "3"}, "Default limit must be a number."),
        ({"defaultLimit": 0}, "Default limit must be a value greater than 0."),
        ({"maxLimit": -100}, "Max limit must be a value greater than 0."),
        ({"allowHeaders": "a"}, "Allow headers must be an array"),
        ({"allowHeaders": [" "]}, "Allow headers must not contain empty strings"),
        ({"idempotencyOptions": {"ttl": 0}}, "idempotency TTL value must be greater than 0 seconds"),
        ({"idempotencyOptions": {"ttl": "a"}}, "idempotency TTL value must be a number"),
        ({"idempotencyOptions": {"paths": 1}}, "idempotency paths must be of an array of strings"),
        ({"pages": "a"}, "Parse Server option pages must be an object."),
        ({"pages": {"forceRedirect": 0}}, "Parse Server option pages.forceRedirect must be a boolean."),
        ({"security": {"enableCheck": "a"}}, "Parse Server option security.enableCheck must be a boolean."),
        ({"enforcePrivateUsers": []}, "Parse Server option enforcePrivateUsers must be a boolean."),
        ({"requestKeywordDenylist": "a"}, "Parse Server option requestKeywordDenylist must be an array."),
        ({"rateLimit": "a"}, "rateLimit must be an array or object"),
        ({"rateLimit": ["a"]}, "rateLimit must be an array of objects"),
        ({"rateLimit": {**LIMIT, "zone": "abc"}}, "rateLimit.zone must be one of global, session, user, or ip"),
        ({"allowClientClassCreation": "true"}, "allowClientClassCreation must be a boolean."),
        ({"requestComplexity": {"includeDepth": 0}}, "must be a positive integer or -1 to disable."),
        ({"installation": {"duplicateDeviceTokenAction": "x"}}, "must be one of: 'delete', 'update'."),
        ({"verifyUserEmails": True}, "An emailAdapter is required for e-mail verification and password resets."),
    ],
)  # fmt: skip
def test_what_parse_server_refuses(options: dict[str, Any], words: str) -> None:
    said = refusal(options)
    assert said is not None
    assert words in said
    with pytest.raises(OptionError) as caught:
        configuration({**KEYS, **options})
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accountLockout": LOCKOUT, "passwordPolicy": {"maxPasswordAge": 0, "maxPasswordHistory": 0}},
        {"fileUpload": {"enableForPublic": True}, "pages": {}, "security": {}},
        {"rateLimit": [LIMIT, {**LIMIT, "zone": "user"}], "idempotencyOptions": {"ttl": 1, "paths": [".*"]}},
        {"publicServerURL": "http://a.example", "masterKeyIps": ["0.0.0.0/0", "::1"]},
        {"expireInactiveSessions": False, "sessionLength": 5, "maxLimit": 10, "allowHeaders": ["X-A"]},
    ],
)
def test_what_it_takes(options: dict[str, Any]) -> None:
    assert refusal(options) is None
    configuration({**KEYS, **options})


def test_what_only_parsekit_refuses_is_said_by_the_reader() -> None:
    with pytest.raises(OptionError, match="there is no such option"):
        configuration({**KEYS, "maxLimt": 1})
