"""When cloud code runs: the bridge between the write and read paths and what ``cloud.CloudCode`` has registered.

A before-hook runs inside the transaction and under the caller's principal; what it changes of ``request.object``
becomes part of the write. After-hooks wait in the outbox for the commit; what they raise is logged, because nobody
could be told whose write is on the disk already (parse_server.md C2).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.policy import hidden_fields_of
from parsekit.cloud import (
    CloudCode,
    FunctionRequest,
    LiveEventRequest,
    SaveRequest,
    ScriptLog,
    SubscribeRequest,
)
from parsekit.cloud.requests import ORIGIN, Caller
from parsekit.cloud.webhooks import Webhook, body_of, json_of, query_of
from parsekit.codec import JSON, decode_operation
from parsekit.engine.effects import DELETED
from parsekit.engine.pointers import plain_operations
from parsekit.engine.remote import answered
from parsekit.errors import ParsekitError
from parsekit.livequery.events import Event
from parsekit.object import PFObject
from parsekit.object_state import NO_FIELDS, ResultContext, ResultShape
from parsekit.operations import OperationSet, Set
from parsekit.query.builder import PFQuery
from parsekit.query.state import QueryState
from parsekit.values import MISSING, Value

if TYPE_CHECKING:
    from parsekit.acl.clp import Operation
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.write import Write

__all__ = ["EngineHooks"]

_LOG: Final = logging.getLogger("parsekit.cloud")
_DURING: Final[dict[str, Operation]] = {
    "beforeSave": "update",
    "afterSave": "update",
    "beforeDelete": "delete",
    "afterDelete": "delete",
}
_SET_BY_ENGINE: Final = frozenset({"objectId", "createdAt", "updatedAt", "className", "__type"})

_NO_CONTEXT: Final[Mapping[str, Value]] = MappingProxyType({})


@final
class EngineHooks:
    """Runs the hooks of an engine; ``write.WriteHooks`` for the write path."""

    def __init__(self, engine: ParseEngine, cloud: CloudCode) -> None:
        self._engine = engine
        self.cloud = cloud
        self.log = ScriptLog(engine.options.clock)
        self.inspect: Callable[[JSON], None] = _nothing
        """What refuses values that a hook may not put into an object, as a server that has forbidden keywords does."""

    def caller(self, principal: Principal) -> Caller:
        """The caller as cloud code sees it."""
        user_id = principal.user_id

        def load_user() -> PFObject | None:
            if user_id is None:
                return None
            # SAFETY: cloud code is the application's own and may see who calls it, whatever the user's ACL says.
            found: PFObject = self._engine.reads.get("_User", user_id, principal.master(), None, None)
            return found

        def load_roles() -> frozenset[str]:
            return frozenset() if user_id is None else self._engine.store.role_names(user_id)

        return Caller(principal, load_user, load_roles, self.log, ORIGIN.get())

    # -- writes ----------------------------------------------------------------------------------

    def before_save(self, write: Write) -> None:
        """Let the hook change the operations of a write, or refuse it."""
        if not self.cloud.has("beforeSave", write.class_name):
            return
        obj = self._object(write, pending=True)
        request = self._request(write, "beforeSave", obj)
        result = self._run(request, write.class_name, write.view.principal)
        if isinstance(result, dict) and self.is_remote("beforeSave", write.class_name):
            after = _operations_of(result)
        else:
            state = obj.local_state
            assert state is not None
            after = plain_operations(state.operations)
        before = write.operations
        changed = [key for key in after if key not in before or after[key] != before[key]]
        reverted = [key for key in before if key not in after]
        self._inspect_changes(after, changed)
        write.hook_keys = tuple(changed + reverted)
        write.operations = after

    def _inspect_changes(self, operations: OperationSet, keys: list[str]) -> None:
        for key in keys:
            operation = operations[key]
            if isinstance(operation, Set):
                self.inspect({key: json_of(operation.value)})

    def after_save(self, write: Write) -> None:
        """Have the hook called after the commit."""
        if self.cloud.has("afterSave", write.class_name):
            request = self._request(write, "afterSave", self._object(write, pending=False))
            self._engine.outbox.call_later(lambda: self._after(write, request))

    def before_delete(self, write: Write) -> None:
        """Let the hook refuse a delete."""
        if self.cloud.has("beforeDelete", write.class_name):
            request = self._request(write, "beforeDelete", self._original(write, "delete"))
            self._run(request, write.class_name, write.view.principal)

    def after_delete(self, write: Write) -> None:
        """Have the hook called after the commit."""
        if self.cloud.has("afterDelete", write.class_name):
            request = self._request(write, "afterDelete", self._original(write, "delete"))
            self._engine.outbox.call_later(lambda: self._after(write, request))

    def is_remote(self, trigger: str, class_name: str) -> bool:
        """Whether a hook is a URL."""
        return isinstance(self.cloud.script(trigger, class_name), Webhook)

    def _run(self, request: Any, class_name: str, principal: Principal) -> Any:
        """Call a hook in the middle of a write; one that is elsewhere is called outside of the transaction."""
        webhook = self.cloud.script(request.trigger_name, class_name)
        if isinstance(webhook, Webhook):
            body = body_of(request)
            return answered(lambda: webhook.send(body))
        with self._engine.acting_as(principal):
            return self.cloud.run(request.trigger_name, class_name, request)

    def _after(self, write: Write, request: SaveRequest) -> None:
        try:
            with self._engine.acting_as(write.view.principal):
                returned = self.cloud.run(request.trigger_name, write.class_name, request)
            if request.trigger_name == "afterSave":
                write.after.update(_added(returned, request.object))
        except ParsekitError as error:
            _LOG.exception("%s of %s %s failed", request.trigger_name, write.class_name, write.object_id)
            self.log.error(f"{request.trigger_name} of {write.class_name} {write.object_id} failed: {error}")

    def _request(self, write: Write, trigger: str, obj: PFObject | None) -> SaveRequest:
        assert obj is not None
        return SaveRequest(
            caller=self.caller(write.view.principal),
            trigger_name=trigger,
            context=write.shared_context(),
            object=obj,
            original=None if write.creating else self._original(write, _DURING[trigger]),
        )

    def _original(self, write: Write, operation: Operation = "update") -> PFObject | None:
        if write.old is None:
            return None
        return self._made(write, {**self._shown(write, operation), **_acl(write.old_acl)})

    def _shown(self, write: Write, operation: Operation = "update") -> dict[str, Value]:
        """The stored fields, without what is hidden from whoever writes unless hooks are exempt from that."""
        old, view = write.old or {}, write.view
        # SAFETY: masters see all; hooks see what their caller sees.
        if not old or view.protection.trigger_exempt or view.principal.bypasses_permissions:
            return old
        hidden = hidden_fields_of(old, view.access(write.class_name, operation), view.principal)
        return {key: value for key, value in old.items() if key not in hidden}

    def _object(self, write: Write, *, pending: bool) -> PFObject:
        """The object as the hook sees it: the stored fields with the operations pending, or what was written."""
        if pending:
            obj = self._made(write, {**self._shown(write), **_acl(write.old_acl)})
            for key, operation in write.operations.items():
                obj.perform(key, operation)
            return obj
        fields = {key: value for key, value in self._shown(write).items() if key not in write.removed}
        acl = write.old_acl if write.acl is MISSING else write.acl
        fields.update(write.changed)
        fields.setdefault("createdAt", write.now)
        fields["updatedAt"] = write.now
        return self._made(write, {**fields, **_acl(acl)})

    def _made(self, write: Write, fields: Mapping[str, Value]) -> PFObject:
        kind = self._engine.class_for(write.class_name)
        shape = ResultShape(write.class_name, NO_FIELDS, engine=self._engine, classes=self._engine.class_for)
        context = ResultContext(shape, True)
        unknown = write.creating and not write.written and not write.id_given
        object_id = None if unknown else write.object_id
        return kind.from_fields(context, object_id, fields)

    # -- live queries ------------------------------------------------------------------------------

    def before_subscribe(self, state: QueryState, principal: Principal, subscriptions: int) -> QueryState:
        """The query that the hook makes of the one to be subscribed to. Raises what the hook raises."""
        if not self.cloud.has("beforeSubscribe", state.class_name):
            return state
        query: PFQuery[Any] = PFQuery.from_state(state)
        request = SubscribeRequest(
            caller=self.caller(principal),
            trigger_name="beforeSubscribe",
            query=query,
            subscriptions=subscriptions,
        )
        with self._engine.acting_as(principal):
            returned = self.cloud.run("beforeSubscribe", state.class_name, request)
        if self.is_remote("beforeSubscribe", state.class_name):
            returned = query_of(returned, state.class_name)
        chosen = returned if isinstance(returned, PFQuery) else request.query
        return query.state() if chosen is None else chosen.state()

    def after_event(self, event: Event, principal: Principal, subscriptions: int) -> Event | None:
        """The event that the hook makes of one about to be taken; ``None`` when it drops it."""
        request = LiveEventRequest(
            caller=self.caller(principal),
            trigger_name="afterEvent",
            event=event.kind,
            object=event.object,
            original=event.original,
            subscriptions=subscriptions,
        )
        with self._engine.acting_as(principal):
            self.cloud.run("afterEvent", event.class_name, request)
        if not request.send_event:
            return None
        return attrs.evolve(event, kind=request.event, object=request.object, original=request.original)

    # -- users and functions -----------------------------------------------------------------------

    def around_session(
        self,
        trigger: str,
        obj: PFObject,
        principal: Principal,
        context: Mapping[str, Value] = _NO_CONTEXT,
    ) -> None:
        """Run ``beforeLogin``, ``afterLogin`` (``obj`` a user) or ``afterLogout`` (a session)."""
        if self.cloud.has(trigger, obj.class_name):
            request = SaveRequest(
                caller=self.caller(principal), trigger_name=trigger, context=dict(context), object=obj
            )
            self._run(request, obj.class_name, principal)

    def call_function(
        self, name: str, params: Mapping[str, Value], principal: Principal, context: Mapping[str, Value]
    ) -> Value:
        """What a cloud function answers."""
        request = FunctionRequest(
            caller=self.caller(principal),
            trigger_name="function",
            context=dict(context),
            function_name=name,
            params=dict(params),
        )
        with self._engine.acting_as(principal):
            return self.cloud.call_function(name, request)


def _nothing(_value: JSON) -> None:
    """An engine that nobody serves forbids no values."""


def _operations_of(entry: Mapping[str, JSON]) -> OperationSet:
    """What a webhook makes of the object that it was sent: the whole of it is set (HooksController)."""
    operations = OperationSet()
    for key, value in entry.items():
        if key not in _SET_BY_ENGINE and not _is_relation(value):
            operations.perform(key, decode_operation(value))
    return operations


def _added(returned: Any, obj: PFObject) -> dict[str, Value]:
    """What an after-save hook adds to the answer: what a webhook answers, what else the hook has set on its object.

    Of a whole object, as its ``__type`` tells one, that is what is not as saved.
    """
    if isinstance(returned, dict):
        saved = obj.to_fields_json() if returned.get("__type") == "Object" else {}
        return {
            key: value
            for key, value in returned.items()
            if key not in ("className", "__type")
            and not _is_relation(value)
            and value != saved.get(key, MISSING)
        }
    changed = returned if isinstance(returned, PFObject) else obj
    state = changed.local_state
    if state is None:
        return {}
    return {key: changed.get(key) if key in changed else DELETED for key in state.operations}


def _is_relation(value: Any) -> bool:
    return isinstance(value, dict) and value.get("__type") == "Relation"


def _acl(acl: Value) -> dict[str, Value]:
    return {} if acl is None or acl is MISSING else {"ACL": acl}
