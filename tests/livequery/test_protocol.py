"""The LiveQuery protocol as data: every message survives the round trip, and what is no message is refused."""

from __future__ import annotations

import pytest

from parsekit.livequery.protocol import (
    Connect,
    Connected,
    ObjectEvent,
    ProtocolError,
    ProtocolProblem,
    Subscribe,
    Subscribed,
    SubscribedQuery,
    Unsubscribe,
    Unsubscribed,
    parse_answer,
    parse_request,
    to_json,
    to_text,
)

QUERY = SubscribedQuery(class_name="Deal", where={"stage": "won"}, keys=("stage",), watch=("amount",))
OBJECT = {"__type": "Object", "className": "Deal", "objectId": "d1"}


@pytest.mark.parametrize(
    "message",
    [
        Connect(application_id="app", session_token="r:1", rest_key="k", installation_id="i"),
        Subscribe(request_id=1, query=QUERY, session_token="r:1"),
        Subscribe(request_id=1, query=SubscribedQuery(class_name="Deal", where={}), replaces=True),
        Unsubscribe(request_id=1),
    ],
)
def test_requests_round_trip(message: Connect | Subscribe | Unsubscribe) -> None:
    assert parse_request(to_text(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        Connected(client_id="c", installation_id="i"),
        Subscribed(client_id="c", request_id=1),
        Unsubscribed(client_id="c", request_id=1),
        ObjectEvent(op="enter", client_id="c", request_id=1, object=OBJECT, original=OBJECT),
        ProtocolError(code=119, error="Permission denied", reconnect=False, request_id=1),
    ],
)
def test_answers_round_trip(
    message: Connected | Subscribed | Unsubscribed | ObjectEvent | ProtocolError,
) -> None:
    assert parse_answer(to_text(message)) == message


def test_messages_are_those_of_parse() -> None:
    assert to_json(Subscribe(request_id=7, query=QUERY)) == {
        "op": "subscribe",
        "requestId": 7,
        "query": {"className": "Deal", "where": {"stage": "won"}, "keys": ["stage"], "watch": ["amount"]},
    }
    assert to_json(ObjectEvent(op="create", client_id="c", request_id=7, object=OBJECT)) == {
        "op": "create",
        "clientId": "c",
        "requestId": 7,
        "object": OBJECT,
    }


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("no json", 1),
        ("[]", 1),
        ('{"op": "dance", "requestId": 1}', 3),
        ('{"op": "connect"}', 1),
        ('{"op": "connect", "applicationId": "a", "other": 1}', 1),
        ('{"op": "subscribe", "requestId": "1", "query": {"className": "A", "where": {}}}', 1),
        ('{"op": "subscribe", "requestId": 1, "query": {"className": "A"}}', 1),
        ('{"op": "subscribe", "requestId": 1, "query": {"className": "A", "where": {}, "keys": [1]}}', 1),
        ('{"op": "unsubscribe"}', 1),
    ],
)
def test_what_is_no_message_is_refused(frame: str, code: int) -> None:
    with pytest.raises(ProtocolProblem) as caught:
        parse_request(frame)
    assert caught.value.code == code
    assert caught.value.answer.code == code
