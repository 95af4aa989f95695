"""Which webhooks there are: functions and triggers that are URLs, kept in ``_Hooks`` (HooksController).

A webhook takes the place of cloud code of the same name. ``serve`` registers those that the database knows, which a
server does when it starts; an engine that nobody serves calls none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

from parsekit.acl.principal import Principal
from parsekit.cloud.registry import TRIGGERS
from parsekit.cloud.webhooks import Webhook
from parsekit.errors import parse_error
from parsekit.operations import OperationSet, Set
from parsekit.query.ast import And, Constraint, Node
from parsekit.query.state import QueryState
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["Declaration", "Webhooks"]

_CLASS: Final = "_Hooks"
Declaration: TypeAlias = dict[str, Any]
"""``{functionName, url}`` or ``{className, triggerName, url}``."""


@final
class Webhooks:
    """The webhooks of an engine. For masters: nothing here asks for permissions."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine
        self._key: str | None = None

    def serve(self, key: str | None) -> None:
        """Register the webhooks that the database knows; ``key`` is sent to them."""
        self._key = key
        if self._engine.schema.get(_CLASS) is not None:
            for declaration in self._found():
                self._register(declaration)

    def functions(self) -> list[Declaration]:
        """The functions."""
        return [item for item in self._found() if "functionName" in item]

    def triggers(self) -> list[Declaration]:
        """The triggers."""
        return [item for item in self._found() if "triggerName" in item]

    def function(self, name: str) -> Declaration:
        """A function. Raises ``ParseError`` (143) when there is none."""
        found = self._found(functionName=name)
        if not found:
            raise parse_error(143, f"no function named: {name} is defined")
        return found[0]

    def trigger(self, class_name: str, name: str) -> Declaration:
        """A trigger. Raises ``ParseError`` (143) when there is none."""
        found = self._found(className=class_name, triggerName=name)
        if not found:
            raise parse_error(143, f"class {class_name} does not exist")
        return found[0]

    def create(self, declaration: Declaration) -> Declaration:
        """Register a new webhook.

        Raises:
            ParseError: 143, there is one already, or the declaration is none.
        """
        if declaration.get("functionName"):
            if self._found(functionName=declaration["functionName"]):
                raise parse_error(143, f"function name: {declaration['functionName']} already exists")
        elif declaration.get("className") and declaration.get("triggerName"):
            class_name, name = declaration["className"], declaration["triggerName"]
            if self._found(className=class_name, triggerName=name):
                raise parse_error(143, f"class {class_name} already has trigger {name}")
        return self._put(_checked(declaration))

    def update(self, declaration: Declaration) -> Declaration:
        """Give a webhook another URL.

        Raises:
            ParseError: 143, there is none, or the declaration is none.
        """
        checked = _checked(declaration)
        if "functionName" in checked:
            self.function(checked["functionName"])
        else:
            self.trigger(checked["className"], checked["triggerName"])
        return self._put(checked)

    def delete_function(self, name: str) -> None:
        """Remove a function; nothing happens when there is none."""
        self._engine.cloud.remove_function(name)
        self._delete(functionName=name)

    def delete_trigger(self, class_name: str, name: str) -> None:
        """Remove a trigger; nothing happens when there is none."""
        self._engine.cloud.remove_hook(name, class_name)
        self._delete(className=class_name, triggerName=name)

    # -- the parts -------------------------------------------------------------------------------

    def _put(self, declaration: Declaration) -> Declaration:
        same = {key: value for key, value in declaration.items() if key != "url"}
        operations = OperationSet()
        for key, value in declaration.items():
            operations.perform(key, Set(value))
        with self._engine.transaction():
            self._delete(**same)
            # SAFETY: only masters reach this; clients may not write _Hooks.
            self._engine.direct.create(_CLASS, operations, Principal.master())
        self._register(declaration)
        return declaration

    def _register(self, declaration: Declaration) -> None:
        webhook = Webhook(declaration["url"], self._key)
        if "functionName" in declaration:
            self._engine.cloud.define(declaration["functionName"])(webhook)
        else:
            self._engine.cloud.put_hook(declaration["triggerName"], declaration["className"], webhook)

    def _found(self, **same: str) -> list[Declaration]:
        if self._engine.schema.get(_CLASS) is None:
            return []
        keys = ("functionName", "className", "triggerName", "url")
        rows = self._rows(same)
        return [{key: row[key] for key in keys if isinstance(row.get(key), str)} for row in rows]

    def _rows(self, same: dict[str, str]) -> list[dict[str, Value]]:
        conditions: list[Node] = [Constraint(key, "$eq", value) for key, value in same.items()]
        state = QueryState(_CLASS, And(tuple(conditions)), limit=-1)
        # SAFETY: only masters reach this; clients may not read _Hooks.
        return [row.to_fields_json() for row in self._engine.reads.find(state, Principal.master(), None)]

    def _delete(self, **same: str) -> None:
        if self._engine.schema.get(_CLASS) is None:
            return
        for row in self._rows(same):
            # SAFETY: only masters reach this; clients may not write _Hooks.
            self._engine.direct.delete(_CLASS, str(row["objectId"]), Principal.master())


def _checked(declaration: Declaration) -> Declaration:
    texts = {key: value for key, value in declaration.items() if isinstance(value, str) and value}
    if "functionName" in texts and "url" in texts:
        return {key: texts[key] for key in ("functionName", "url")}
    if {"className", "triggerName", "url"} <= texts.keys() and texts["triggerName"] in TRIGGERS:
        return {key: texts[key] for key in ("className", "url", "triggerName")}
    raise parse_error(143, "invalid hook declaration")
