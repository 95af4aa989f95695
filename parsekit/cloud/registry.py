"""``CloudCode``: what is registered, and how one registered thing is called.

Registering the same trigger of the same class again replaces it, as on the server. Calling checks the validator first;
errors of cloud code that are no ``ParseError`` become ``ScriptError`` (141).
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, TypeAlias, TypeVar, final

import attrs

from parsekit.cloud.requests import IN_PROCESS, ORIGIN
from parsekit.cloud.validation import Validator, validate
from parsekit.errors import ClassNameError, ParsekitError, ScriptError
from parsekit.file import PFFile
from parsekit.object import PFObject

__all__ = ["TRIGGERS", "CloudCode", "Kind", "Script"]

TRIGGERS: Final = frozenset({
    "beforeLogin", "afterLogin", "afterLogout", "beforePasswordResetRequest", "beforeSave", "afterSave",
    "beforeDelete", "afterDelete", "beforeFind", "afterFind", "beforeConnect", "beforeSubscribe", "afterEvent",
})  # fmt: skip
"""The names of all triggers."""

Script: TypeAlias = Callable[[Any], Any]
Kind: TypeAlias = str | type[PFObject] | type[PFFile]
"""What a hook is registered for: a class by name, a typed class, or files."""
S = TypeVar("S", bound=Script)

_SESSION_TRIGGERS: Final = frozenset({"afterLogout"})
_USER_TRIGGERS: Final = frozenset({"beforeLogin", "afterLogin", "beforePasswordResetRequest"})
_NO_SAVE_HOOKS: Final = frozenset({"_PushStatus", "_Session"})


class _Failures:
    """Turns what cloud code raises into Parse's errors; a ``ParsekitError`` passes (triggers.resolveError)."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, ParsekitError):
            raise ScriptError(str(error) or "Script failed.") from error


@final
@attrs.frozen(slots=True)
class _Registered:
    script: Script
    validator: Validator | Script | None


@final
class CloudCode:
    """The hooks, functions and jobs of an engine. Register before serving; calling is safe from any thread."""

    def __init__(self) -> None:
        self._hooks: dict[tuple[str, str], _Registered] = {}
        self._functions: dict[str, _Registered] = {}
        self._jobs: dict[str, _Registered] = {}

    # -- hooks -----------------------------------------------------------------------------------

    def before_save(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run before an object of the class is created or updated; may change ``request.object`` or refuse."""
        return self._hook("beforeSave", kind, validator)

    def after_save(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run after the transaction of a create or update is committed."""
        return self._hook("afterSave", kind, validator)

    def before_delete(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run before an object is deleted; may refuse."""
        return self._hook("beforeDelete", kind, validator)

    def after_delete(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run after the transaction of a delete is committed."""
        return self._hook("afterDelete", kind, validator)

    def before_find(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run before a find, get or count; may change or replace the query."""
        return self._hook("beforeFind", kind, validator)

    def after_find(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run after a find or get; may return other objects."""
        return self._hook("afterFind", kind, validator)

    def before_login(self, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run when a user's credentials are right and before the session is made; may refuse."""
        return self._hook("beforeLogin", "_User", validator)

    def after_login(self, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run after a user has logged in."""
        return self._hook("afterLogin", "_User", validator)

    def after_logout(self, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run after a session has ended; ``request.object`` is the session."""
        return self._hook("afterLogout", "_Session", validator)

    def before_password_reset_request(self, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run before a password reset is mailed; may refuse."""
        return self._hook("beforePasswordResetRequest", "_User", validator)

    def before_connect(self, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run before a live query client connects; may refuse."""
        return self._hook("beforeConnect", "@Connect", validator)

    def on_live_query_event(self, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run after a client of the live query server has come, connected, subscribed, unsubscribed or gone."""
        return self._hook("onLiveQueryEvent", "@Connect", validator)

    def before_subscribe(self, kind: Kind, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Run before a live query of the class is subscribed to; may change the query or refuse."""
        return self._hook("beforeSubscribe", kind, validator)

    def after_live_query_event(
        self, kind: Kind, validator: Validator | Script | None = None
    ) -> Callable[[S], S]:
        """Run before a live event of the class is sent; may change its object or drop it."""
        return self._hook("afterEvent", kind, validator)

    def _hook(self, trigger: str, kind: Kind, validator: Validator | Script | None) -> Callable[[S], S]:
        class_name = kind if isinstance(kind, str) else kind.parse_class_name
        _check_trigger(trigger, class_name)

        def register(script: S) -> S:
            self._hooks[trigger, class_name] = _Registered(script, validator)
            return script

        return register

    def put_hook(self, trigger: str, class_name: str, script: Script) -> None:
        """Register a hook by the names that Parse has for it; one that is never triggered does no harm."""
        self._hooks[trigger, class_name] = _Registered(script, None)

    def remove_hook(self, trigger: str, class_name: str) -> None:
        """Forget a hook, if there is one."""
        self._hooks.pop((trigger, class_name), None)

    def remove_function(self, name: str) -> None:
        """Forget a function, if there is one."""
        self._functions.pop(name, None)

    def clear(self) -> None:
        """Forget every hook, function and job."""
        for registered in (self._hooks, self._functions, self._jobs):
            registered.clear()

    def script(self, trigger: str, class_name: str) -> Script | None:
        """What is registered for a hook."""
        found = self._hooks.get((trigger, class_name))
        return None if found is None else found.script

    def has(self, trigger: str, class_name: str) -> bool:
        """Whether there is a hook."""
        return (trigger, class_name) in self._hooks

    @property
    def is_empty(self) -> bool:
        """Whether no hook is registered at all."""
        return not self._hooks

    @property
    def is_unused(self) -> bool:
        """Whether nothing at all is registered."""
        return not (self._hooks or self._functions or self._jobs)

    def run(self, trigger: str, class_name: str, request: Any) -> Any:
        """Call a hook that there is; what it returns.

        Raises:
            ParsekitError: as the hook raised it.
            ScriptError: 141, the hook raised something else.
            ValidationError: 142, the validator refused.
        """
        return _call(self._hooks[trigger, class_name], request)

    # -- functions and jobs ------------------------------------------------------------------------

    def define(self, name: str, validator: Validator | Script | None = None) -> Callable[[S], S]:
        """Register a function, which clients call by name."""

        def register(script: S) -> S:
            self._functions[name] = _Registered(script, validator)
            return script

        return register

    def job(self, name: str) -> Callable[[S], S]:
        """Register a job, which a master starts by name."""

        def register(script: S) -> S:
            self._jobs[name] = _Registered(script, None)
            return script

        return register

    def call_function(self, name: str, request: Any) -> Any:
        """What a function returns.

        Raises:
            ScriptError: 141, there is no such function, or it failed.
            ValidationError: 142, its validator refused.
        """
        found = self._functions.get(name)
        if found is None:
            raise ScriptError(f'Invalid function: "{name}"')
        return _call(found, request)

    def run_job(self, name: str, request: Any) -> Any:
        """What a job returns. Raises ``ScriptError`` (141) when there is no such job, or it failed."""
        found = self._jobs.get(name)
        if found is None:
            raise ScriptError("Invalid job.")
        return _call(found, request)

    def has_job(self, name: str) -> bool:
        """Whether there is a job of this name."""
        return name in self._jobs

    @property
    def job_names(self) -> list[str]:
        """The names of the jobs."""
        return list(self._jobs)


def _check_trigger(trigger: str, class_name: str) -> None:
    if trigger in ("beforeSave", "afterSave", "beforeDelete", "afterDelete") and class_name in _NO_SAVE_HOOKS:
        raise ClassNameError(
            f"{class_name}: has no {trigger} hook",
            hint="only afterLogout is triggered for sessions" if class_name == "_Session" else None,
        )
    if class_name != "_User" and trigger in _USER_TRIGGERS:
        raise ClassNameError(f"{class_name}: only _User has a {trigger} hook")
    if class_name != "_Session" and trigger in _SESSION_TRIGGERS:
        raise ClassNameError(f"{class_name}: only _Session has a {trigger} hook")


def _call(registered: _Registered, request: Any) -> Any:
    """Call a script. What it calls in its turn, it calls by itself, not for the request that it was called with."""
    token = ORIGIN.set(IN_PROCESS)
    try:
        return _called(registered, request)
    finally:
        ORIGIN.reset(token)


def _called(registered: _Registered, request: Any) -> Any:
    with _Failures():
        if isinstance(registered.validator, Validator):
            # SAFETY: skipping is the hook's own wish, stated where it was registered.
            if registered.validator.skip_with_master_key and request.master:
                return None
            validate(registered.validator, request)
        elif registered.validator is not None:
            registered.validator(request)
        return registered.script(request)
