"""Single writes by class and objectId, as REST makes them: operations in, what REST answers out.

``PFObject.save`` comes through ``saving``; both end in ``write``. Reads by class and id are ``ParseEngine``'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, final

import attrs

from parsekit.acl.policy import hidden_fields_of
from parsekit.engine.effects import echo_of
from parsekit.operations import OperationSet
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.acl.principal import Principal
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView
    from parsekit.engine.write import Write
    from parsekit.storage.database import Connection

__all__ = ["DirectWrites", "WriteAnswer"]

_NO_CONTEXT: Final[Mapping[str, Value]] = MappingProxyType({})


@final
@attrs.frozen(slots=True)
class WriteAnswer:
    """What a write answers: when it happened, and the values in ``echo`` that its sender cannot know.

    ``created`` tells whether a new object was made; an installation that was there already is not.
    """

    object_id: str
    updated_at: datetime
    echo: Mapping[str, Value]
    created: bool

    @property
    def created_at(self) -> datetime:
        """The same moment as ``updated_at`` for an object that was just created."""
        return self.updated_at


@final
class DirectWrites:
    """Creates, updates and deletes of one object each."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def create(
        self,
        class_name: str,
        operations: OperationSet,
        principal: Principal,
        *,
        object_id: str | None = None,
        created_at: datetime | None = None,
        updated_at: datetime | None = None,
        context: Mapping[str, Value] = _NO_CONTEXT,
    ) -> WriteAnswer:
        """Create an object.

        Raises:
            ParseError: as Parse refuses it: 101, 111, 119, 137, 142, ...
        """

        def write(connection: Connection, view: PrincipalView) -> Write:
            return self._engine.writes.create(
                connection,
                class_name,
                operations,
                view,
                object_id=object_id,
                created_at=created_at,
                updated_at=updated_at,
                context=context,
            )

        return self._carried_out(write, principal)

    def update(
        self,
        class_name: str,
        object_id: str,
        operations: OperationSet,
        principal: Principal,
        *,
        new_id: str | None = None,
        context: Mapping[str, Value] = _NO_CONTEXT,
    ) -> WriteAnswer:
        """Update an object; ``new_id`` moves it to another objectId.

        Raises:
            ParseError: as Parse refuses it: 101, 111, 119, 137, 142, ...
        """

        def write(connection: Connection, view: PrincipalView) -> Write:
            return self._engine.writes.update(
                connection, class_name, object_id, operations, view, new_id=new_id, context=context
            )

        return self._carried_out(write, principal)

    def _carried_out(
        self, write: Callable[[Connection, PrincipalView], Write], principal: Principal
    ) -> WriteAnswer:
        """Write in a transaction of its own, and tell whoever waits for it."""
        engine = self._engine

        def carry_out() -> Write:
            with engine.store.write() as connection:
                return write(connection, engine.view(principal))

        written = engine.carried_out(carry_out)
        engine.after_commit()
        return self._answer(written)

    def _answer(self, write: Write) -> WriteAnswer:
        return WriteAnswer(write.object_id, write.now, self.echo_of(write), write.creating)

    def echo_of(self, write: Write) -> Mapping[str, Value]:
        """What an answer says beyond objectId and dates, as far as its sender may see it."""
        echo: Mapping[str, Value] = echo_of(write)
        view = write.view
        # SAFETY: masters see all; an answer shows what its sender wrote, unless the application wants less.
        if not (view.protection.save_response_exempt or view.principal.bypasses_permissions):
            fields = {**(write.old or {}), **write.changed, "objectId": write.object_id}
            access = view.access(write.class_name, "create" if write.creating else "update", "create")
            hidden = hidden_fields_of(fields, access, view.principal)
            echo = {key: value for key, value in echo.items() if key not in hidden}
        return echo

    def delete(
        self,
        class_name: str,
        object_id: str,
        principal: Principal,
        *,
        context: Mapping[str, Value] = _NO_CONTEXT,
    ) -> None:
        """Delete an object.

        Raises:
            ObjectNotFoundError: 101, it is gone or may not be written.
            ParseError: as Parse refuses it.
        """
        engine = self._engine

        def carry_out() -> None:
            with engine.store.write() as connection:
                engine.writes.delete(
                    connection, class_name, object_id, engine.view(principal), context=context
                )

        engine.carried_out(carry_out)
        engine.after_commit()
