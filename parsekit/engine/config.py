"""The application's configuration: parameters that clients read and masters set (GlobalConfigRouter).

They are one object of ``_GlobalConfig`` whose id is ``1``. A parameter that is ``masterKeyOnly`` is shown to masters
alone. Hooks before and after a save are registered for ``"@Config"`` (parse_server.md C10).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.cloud import ConfigRequest
from parsekit.codec import JSON, decode_operation
from parsekit.errors import OperationForbiddenError
from parsekit.operations import OperationSet, Set
from parsekit.query.ast import Constraint
from parsekit.query.state import QueryState
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["ConfigValues", "GlobalConfig"]

_CLASS: Final = "_GlobalConfig"
_HOOKED: Final = "@Config"
_ID: Final = "1"


@final
@attrs.frozen(slots=True)
class ConfigValues:
    """The parameters that somebody may see, and which of them only masters may.

    ``master_only`` is ``None`` where no configuration was ever saved.
    """

    params: Mapping[str, Value]
    master_only: Mapping[str, bool] | None


@final
class GlobalConfig:
    """The configuration of an engine's application."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def read(self, principal: Principal) -> ConfigValues:
        """The configuration as ``principal`` may see it."""
        row = self._row()
        if row is None:
            return ConfigValues({}, None)
        params: dict[str, Value] = dict(row.get("params") or {})
        master_only: dict[str, bool] = dict(row.get("masterKeyOnly") or {})
        # SAFETY: masters see all parameters; the others are what the configuration is for.
        if principal.bypasses_permissions:
            return ConfigValues(params, master_only)
        hidden = {key for key in params if master_only.get(key)}
        return ConfigValues(
            {key: value for key, value in params.items() if key not in hidden},
            {key: value for key, value in master_only.items() if key not in hidden},
        )

    def update(
        self,
        params: Mapping[str, JSON],
        principal: Principal,
        *,
        master_only: Mapping[str, bool] | None = None,
        context: Mapping[str, Value] | None = None,
    ) -> None:
        """Set parameters, by value or by operation as in REST; those not named stay as they are.

        Raises:
            OperationForbiddenError: 119, not a master that may write.
            ParseError: as a hook raised it.
        """
        # SAFETY: the configuration is the application's; clients read it only.
        if principal.kind not in ("master", "maintenance"):
            raise OperationForbiddenError("Permission denied", hint="the master key is required")
        only = master_only or {}
        before = self._row()
        original = None if before is None else dict(before.get("params") or {})
        request = self._hook("beforeSave", params, original, principal, context)
        operations = OperationSet()
        for key, value in params.items():
            operations.perform(f"params.{key}", decode_operation(value))
            operations.perform(f"masterKeyOnly.{key}", Set(bool(only.get(key))))
        with self._engine.transaction():
            if before is None:
                nothing = OperationSet()
                nothing.perform("params", Set({}))
                nothing.perform("masterKeyOnly", Set({}))
                self._engine.direct.create(_CLASS, nothing, principal, object_id=_ID)
            self._engine.direct.update(_CLASS, _ID, operations, principal)
        after = self.read(Principal.master()).params
        self._hook("afterSave", after, original, principal, request.context)

    def _row(self) -> Any | None:
        state = QueryState(_CLASS, Constraint("objectId", "$eq", _ID), limit=1)
        # SAFETY: clients may not read the class; what of it they see is decided in read().
        found = self._engine.reads.find(state, Principal.master(), None)
        return found[0] if found else None

    def _hook(
        self,
        trigger: str,
        params: Mapping[str, Any],
        original: Mapping[str, Value] | None,
        principal: Principal,
        context: Mapping[str, Value] | None,
    ) -> ConfigRequest:
        request = ConfigRequest(
            caller=self._engine.hooks.caller(principal),
            trigger_name=trigger,
            context=dict(context or {}),
            params=params,
            original=original,
        )
        if self._engine.cloud.has(trigger, _HOOKED):
            with self._engine.acting_as(principal):
                self._engine.cloud.run(trigger, _HOOKED, request)
        return request
