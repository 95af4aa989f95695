"""The rules of ``_Installation``: one object per device, whoever saves it (RestWrite.handleInstallation).

A device is known by its ``installationId`` and by its ``deviceToken``, and comes back with one of them changed. So a
save looks for the objects that are meant, and may become an update of one that is there; the others that hold the same
device token go, or lose it (``installation`` option). What may be asked and deleted by whom is the policy's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.errors import EngineError, ObjectNotFoundError, OperationForbiddenError, parse_error
from parsekit.operations import Delete, OperationSet, Set
from parsekit.query.ast import And, Constraint, Node, Or
from parsekit.query.state import QueryState

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.views import PrincipalView

__all__ = ["InstallationOptions", "InstallationRules"]

_CLASS: Final = "_Installation"
_IOS_TOKEN_SIZE: Final = 64


@final
@attrs.frozen(slots=True, kw_only=True)
class InstallationOptions:
    """``installation``: what becomes of another installation with the device token of the one that is saved.

    ``delete`` removes it, ``update`` takes the token (or the installationId) from it. Of two objects that turn out to
    be the same device the one with the ``merge_priority`` stays. ``enforce_auth`` leaves alone what the sender may not
    write.
    """

    duplicate_device_token_action: str = attrs.field(default="delete")
    duplicate_device_token_action_enforce_auth: bool = False
    duplicate_device_token_merge_priority: str = attrs.field(default="deviceToken")

    @duplicate_device_token_action.validator
    def _an_action(self, attribute: object, value: str) -> None:  # noqa: ARG002
        _one_of("duplicateDeviceTokenAction", value, "delete", "update")

    @duplicate_device_token_merge_priority.validator
    def _a_key(self, attribute: object, value: str) -> None:  # noqa: ARG002
        _one_of("duplicateDeviceTokenMergePriority", value, "deviceToken", "installationId")


def _one_of(option: str, value: str, *allowed: str) -> None:
    if value not in allowed:
        raise EngineError(f"{option}: {value!r} is none of {', '.join(allowed)}")


@final
@attrs.frozen(slots=True)
class _Sent:
    """What a save says of the device. ``installation_id`` may be that of the sender, ``own`` is the save's."""

    own: str | None
    installation_id: str | None
    device_token: str | None
    device_type: str | None
    app_identifier: str | None
    typed: bool


@final
class InstallationRules:
    """Which installation a write means: ``write_parts.Redirecting``."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def redirect(
        self, operations: OperationSet, view: PrincipalView, object_id: str | None, *, named: bool = False
    ) -> tuple[str | None, OperationSet]:
        """The object to update (``None``: make a new one) and the operations. Inside ``Store.write()``.

        ``named`` tells that the save brings the objectId among its fields, which takes the device token from others.

        Raises:
            ParseError: 132, 135, 136, the device is not told clearly; 101, there is no such object.
        """
        operations = _lowered(operations)
        sent = _sent(operations, view.principal)
        creating = object_id is None
        # SAFETY: a master may make the object of a device that it does not name.
        tells_device = sent.device_token or sent.own or view.principal.installation_id
        if creating and not tells_device and not view.principal.bypasses_permissions:
            raise parse_error(
                135, "at least one ID field (deviceToken, installationId) must be specified in this operation"
            )
        if not creating and not (sent.device_token or sent.installation_id or sent.device_type):
            return object_id, operations
        by_token = [] if sent.device_token is None else self._find("deviceToken", sent.device_token)
        match = None
        if object_id is not None:
            match = self._checked(object_id, sent)
        if sent.installation_id is not None:
            known = self._find("installationId", sent.installation_id)
            match = known[-1] if known else match
        if not (tells_device or sent.device_type):
            return object_id, operations
        if creating and not sent.typed and match is None:
            raise parse_error(135, "deviceType must be specified in this operation")
        target = self._target(sent, match, by_token, view, named=named)
        return target, operations

    def _checked(self, object_id: str, sent: _Sent) -> Any:
        found = self._find("objectId", object_id)
        if not found:
            raise ObjectNotFoundError("Object not found for update.")
        stored = found[0]
        if sent.own and stored.get("installationId") and sent.own != stored.get("installationId"):
            raise parse_error(136, "installationId may not be changed in this operation")
        token = stored.get("deviceToken")
        nameless = not sent.own and not stored.get("installationId")
        if sent.device_token and token and sent.device_token != token and nameless:
            raise parse_error(136, "deviceToken may not be changed in this operation")
        if sent.device_type and sent.device_type != stored.get("deviceType"):
            raise parse_error(136, "deviceType may not be changed in this operation")
        return stored

    def _target(
        self, sent: _Sent, match: Any, by_token: list[Any], view: PrincipalView, *, named: bool
    ) -> str | None:
        if match is not None:
            return self._merged(sent, match, by_token, view, named=named)
        if not by_token:
            return None
        if len(by_token) == 1 and not (by_token[0].get("installationId") and sent.installation_id):
            return str(by_token[0].object_id)
        if not sent.own:
            raise parse_error(
                132, "Must specify installationId when deviceToken matches multiple Installation objects"
            )
        self._clear(sent, Constraint("installationId", "$ne", sent.installation_id), view)
        return None

    def _merged(
        self, sent: _Sent, match: Any, by_token: list[Any], view: PrincipalView, *, named: bool
    ) -> str:
        if len(by_token) == 1 and not by_token[0].get("installationId"):
            return self._survivor(match, by_token[0], view)
        if sent.device_token and match.get("deviceToken") != sent.device_token:
            if sent.own:
                self._clear(sent, Constraint("installationId", "$ne", sent.own), view)
            elif named:
                self._clear(sent, Constraint("objectId", "$ne", str(match.object_id)), view)
        return str(match.object_id)

    def _survivor(self, match: Any, nameless: Any, view: PrincipalView) -> str:
        """Of two objects that are the same device the one that stays; the other one goes, or loses its id."""
        if match.object_id == nameless.object_id:
            return str(match.object_id)
        keeps_token = self._options.duplicate_device_token_merge_priority == "deviceToken"
        stays, goes = (nameless, match) if keeps_token else (match, nameless)
        self._act([goes], "installationId" if keeps_token else "deviceToken", view)
        return str(stays.object_id)

    def _clear(self, sent: _Sent, others: Node, view: PrincipalView) -> None:
        conditions: list[Node] = [Constraint("deviceToken", "$eq", sent.device_token), others]
        if sent.app_identifier:
            conditions.append(Constraint("appIdentifier", "$eq", sent.app_identifier))
        self._act(self._matching(And(tuple(conditions))), "deviceToken", view)

    def _act(self, found: list[Any], key: str, view: PrincipalView) -> None:
        """Delete installations or take ``key`` from them."""
        engine, options = self._engine, self._options
        if not options.duplicate_device_token_action_enforce_auth:
            # SAFETY: the device proves with its token that the old objects are its own.
            view = engine.view(Principal.master())
        operations = OperationSet()
        operations.perform(key, Delete())
        for obj in found:
            with engine.store.write() as connection:
                try:
                    if options.duplicate_device_token_action == "delete":
                        engine.writes.purge(connection, _CLASS, str(obj.object_id), view)
                    else:
                        engine.writes.update_plainly(
                            connection, _CLASS, str(obj.object_id), operations, view, hooked=False
                        )
                except (ObjectNotFoundError, OperationForbiddenError):
                    continue  # what the sender may not write stays, where that is asked for

    @property
    def _options(self) -> InstallationOptions:
        return self._engine.options.installation

    def _find(self, key: str, value: str) -> list[Any]:
        return self._matching(Or((Constraint(key, "$eq", value),)))

    def _matching(self, where: Node) -> list[Any]:
        # SAFETY: which objects are of this device; nothing of them is given out.
        return self._engine.reads.find(QueryState(_CLASS, where, limit=-1), Principal.master(), None)


def _lowered(operations: OperationSet) -> OperationSet:
    """The operations with the installationId, and the device token of an iOS device, in lower case."""
    changed = OperationSet()
    for key, operation in operations.items():
        if isinstance(operation, Set) and isinstance(operation.value, str):
            value = operation.value
            if key == "installationId" or (key == "deviceToken" and len(value) == _IOS_TOKEN_SIZE):
                changed.perform(key, Set(value.lower()))
                continue
        changed.perform(key, operation)
    return changed


def _sent(operations: OperationSet, principal: Principal) -> _Sent:
    def text(key: str) -> str | None:
        operation = operations.get(key)
        value = operation.value if isinstance(operation, Set) else None
        return value if isinstance(value, str) and value else None

    own = text("installationId")
    installation_id = own
    # SAFETY: a master speaks of any device, so its own installation says nothing.
    if own is None and not principal.bypasses_permissions and principal.installation_id:
        installation_id = principal.installation_id.lower()
    kind = operations.get("deviceType")
    typed = (not isinstance(kind, Set) and kind is not None) or (isinstance(kind, Set) and bool(kind.value))
    return _Sent(own, installation_id, text("deviceToken"), text("deviceType"), text("appIdentifier"), typed)
