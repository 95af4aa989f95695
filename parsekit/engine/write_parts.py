"""What a write is made of, and what may take part in it: ``Write``, ``Change``, and the two sets of callbacks.

``Write`` is one object's change on its way to the disk, ``Change`` what is told of it after the commit. ``ClassRules``
is what a system class adds to its writes, ``WriteHooks`` what cloud code does. The way itself is ``write``'s affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, final

from parsekit import attrs
from parsekit.codec import STORED_LEVELS
from parsekit.engine.views import PrincipalView
from parsekit.operations import OperationSet
from parsekit.storage import journal
from parsekit.values import MISSING, Missing, Value

if TYPE_CHECKING:
    from parsekit.storage.database import Connection

__all__ = ["NO_CONTEXT", "Change", "ClassRules", "LateChange", "Redirecting", "Write", "WriteHooks"]

NO_CONTEXT: Final[Mapping[str, Value]] = MappingProxyType({})


@final
@attrs.define(slots=True, eq=False, repr=False)
class Write:
    """One object's change on its way to the disk.

    ``old`` are the fields before (``None`` on create) and ``old_acl`` the ACL, ``changed`` the new values by key,
    ``removed`` the keys to clear, ``acl`` the new ACL (``MISSING``: as it is), ``relations`` the members to add and to
    remove by key, ``echo`` what the answer carries beyond what Parse always answers (defaults, what hooks changed),
    ``moved_to`` the objectId that an update gives the object, ``made_at`` when the change is made where that is not
    ``now`` (an object that is created with a date of its own). ``context`` is shared by the hooks of one write, who
    changed ``hook_keys``. ``written`` tells that the row is there, ``plain`` that nothing was
    done but fields set, ``id_given`` that a new object's id is the caller's choice. ``after`` is what an
    after-save hook adds to the answer.
    """

    class_name: str
    object_id: str
    view: PrincipalView
    now: datetime
    operations: OperationSet
    old: dict[str, Value] | None = None
    changed: dict[str, Value] = attrs.Factory(dict)
    removed: list[str] = attrs.Factory(list)
    acl: Value | Missing = MISSING
    relations: dict[str, tuple[list[str], list[str]]] = attrs.Factory(dict)
    echo: dict[str, Value | Missing] = attrs.Factory(dict)
    old_acl: Value = None
    moved_to: str | None = None
    made_at: datetime | None = None
    context: Mapping[str, Value] = NO_CONTEXT
    hook_keys: tuple[str, ...] = ()
    id_given: bool = False
    after: dict[str, Value] = attrs.Factory(dict)
    max_nesting: int = STORED_LEVELS
    written: bool = False
    plain: bool = False
    private: dict[str, Any] = attrs.field(factory=dict, repr=False)
    """What the rules of a system class keep between their steps; nothing else looks at it."""

    def shared_context(self) -> dict[str, Value]:
        """The context as the hooks of this write share and change it."""
        if not isinstance(self.context, dict):
            self.context = dict(self.context)
        return self.context

    @property
    def creating(self) -> bool:
        """Whether the object is new."""
        return self.old is None

    def value(self, key: str) -> Value | Missing:
        """The value that ``key`` will have."""
        if key in self.changed:
            return self.changed[key]
        if self.old is None or key in self.removed:
            return MISSING
        return self.old.get(key, MISSING)


@final
@attrs.frozen(slots=True, eq=False)
class Change:
    """A committed (or about to be committed) change, for whoever wants to hear of it after the commit."""

    sequence: int
    class_name: str
    object_id: str
    kind: journal.ChangeKind
    before: dict[str, Value] | None = attrs.field(repr=False)
    after: dict[str, Value] | None = attrs.field(repr=False)
    original: dict[str, Value] | None = attrs.field(default=None, repr=False)
    """Of an update: the whole object before, its ACL under ``ACL``. Not to be changed."""


LateChange: TypeAlias = Change | Callable[[], Change]
"""A change, or what makes it when the transaction is committed and somebody listens."""


class ClassRules(Protocol):
    """What a system class adds to a write. Each method may change the ``Write`` or refuse it."""

    def before_schema(self, write: Write, connection: Connection) -> None:
        """After the permission check, before hooks are called and the schema is consulted."""

    def before_refusal(self, write: Write, connection: Connection) -> None:
        """Of a write that is refused: refuse what is wrong with it before hooks would be called."""

    def check_values(self, write: Write, connection: Connection) -> None:
        """Of an update that is refused: refuse what is wrong with the values that it leads to."""

    def before_write(self, write: Write, connection: Connection) -> None:
        """After schema validation, before the row is written."""

    def after_write(self, write: Write, connection: Connection) -> None:
        """After the row is written, in the same transaction."""

    def after_delete(self, write: Write, connection: Connection) -> None:
        """After the row is deleted, in the same transaction."""


class Redirecting(Protocol):
    """Rules of a class that say which object a write means."""

    def redirect(
        self, operations: OperationSet, view: PrincipalView, object_id: str | None, *, named: bool = False
    ) -> tuple[str | None, OperationSet]:
        """The object to update, ``None`` for a new one, and the operations.

        ``object_id`` is the one asked for; ``named`` tells that it is among the fields too.
        """


class WriteHooks(Protocol):
    """What cloud code adds to a write. Each method runs inside the transaction and may refuse the write."""

    def before_save(self, write: Write) -> None:
        """After the permission check, before the schema is consulted; may replace ``write.operations``."""

    def after_save(self, write: Write) -> None:
        """The row is written; whatever the hooks do is to wait for the commit."""

    def before_delete(self, write: Write) -> None:
        """The row is there and may be deleted."""

    def after_delete(self, write: Write) -> None:
        """The row is deleted; whatever the hooks do is to wait for the commit."""
