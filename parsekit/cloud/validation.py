"""Validators: what a hook or function asks of its caller and parameters, as data (parse_server.md C13).

A refusal is a ``ValidationError`` (142) with Parse's text (triggers.builtInTriggerValidator).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, final

from parsekit import attrs
from parsekit.errors import ValidationError
from parsekit.object import PFObject
from parsekit.values import Value

__all__ = ["FieldRule", "Validator", "validate"]

_TYPE_NAMES: Final = {
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
}


@final
@attrs.frozen(slots=True, kw_only=True)
class FieldRule:
    """What is asked of one parameter, or one key of the saved object.

    ``options`` are the values allowed, or a test. ``constant`` undoes changes of the key; ``default`` is put where
    the key is absent or null. ``error`` replaces the text of a refusal by ``options``.
    """

    type: type | None = None
    required: bool = False
    default: Value = None
    constant: bool = False
    options: Sequence[Value] | Callable[[Value], bool] | None = None
    error: str | None = None


@final
@attrs.frozen(slots=True, kw_only=True)
class Validator:
    """What is asked before a hook, function or job runs. A master is asked nothing unless ``validate_master_key``.

    ``fields`` names required parameters, or maps each parameter to its ``FieldRule``.
    """

    require_user: bool = False
    require_master: bool = False
    validate_master_key: bool = False
    skip_with_master_key: bool = False
    require_user_keys: Sequence[str] | Mapping[str, FieldRule] = ()
    require_any_user_roles: Sequence[str] = ()
    require_all_user_roles: Sequence[str] = ()
    fields: Sequence[str] | Mapping[str, FieldRule] = ()


def validate(validator: Validator, request: Any) -> None:
    """Hold a request to ``validator``.

    Raises:
        ValidationError: 142 with Parse's text.
    """
    # SAFETY: a master is held to a validator only where it says so, as on the server.
    if request.master and not validator.validate_master_key:
        return
    user = request.user
    if user is None and (obj := getattr(request, "object", None)) is not None and obj.class_name == "_User":
        user = obj if getattr(request, "original", None) is None else None
    needs_user = (
        validator.require_user or validator.require_any_user_roles or validator.require_all_user_roles
    )
    if needs_user and user is None:
        _refuse("Validation failed. Please login to continue.")
    if validator.require_master and not request.master:
        _refuse("Validation failed. Master key is required to complete this request.")
    _check_fields(validator.fields, request)
    _check_roles(validator, request.caller.load_roles)
    _check_user(validator.require_user_keys, user)


def _refuse(text: str) -> NoReturn:
    raise ValidationError(text)


def _check_fields(fields: Sequence[str] | Mapping[str, FieldRule], request: Any) -> None:
    obj: PFObject | None = getattr(request, "object", None)
    params: dict[str, Value] = getattr(request, "params", {})
    for key in fields:
        rule = fields[key] if isinstance(fields, Mapping) else FieldRule(required=True)
        value = params.get(key) if obj is None else obj.get(key)
        if value is None and rule.default is not None:
            value = params[key] = rule.default
            if obj is not None:
                obj[key] = value
        if rule.constant and obj is not None:
            _keep_constant(key, rule, request)
            value = obj.get(key)
        if value is None:
            if rule.required:
                _refuse(f"Validation failed. Please specify data for {key}.")
            continue
        _check_value(key, rule, value)


def _keep_constant(key: str, rule: FieldRule, request: Any) -> None:
    if request.original is not None:
        request.object.revert(key)
    elif rule.default is not None:
        request.object[key] = rule.default


def _check_value(key: str, rule: FieldRule, value: Value) -> None:
    if rule.type is not None:
        wanted = _TYPE_NAMES.get(rule.type, rule.type.__name__)
        if _TYPE_NAMES.get(type(value), type(value).__name__) != wanted:
            _refuse(f"Validation failed. Invalid type for {key}. Expected: {wanted}")
    if rule.options is None:
        return
    if callable(rule.options):
        if not rule.options(value):
            _refuse(rule.error or f"Validation failed. Invalid value for {key}.")
    elif value not in rule.options:
        allowed = ", ".join(map(str, rule.options))
        _refuse(rule.error or f"Validation failed. Invalid option for {key}. Expected: {allowed}")


def _check_roles(validator: Validator, load_roles: Callable[[], frozenset[str]]) -> None:
    if not validator.require_any_user_roles and not validator.require_all_user_roles:
        return
    held = load_roles()
    if validator.require_any_user_roles and held.isdisjoint(validator.require_any_user_roles):
        _refuse("Validation failed. User does not match the required roles.")
    if not held.issuperset(validator.require_all_user_roles):
        _refuse("Validation failed. User does not match all the required roles.")


def _check_user(keys: Sequence[str] | Mapping[str, FieldRule], user: PFObject | None) -> None:
    for key in keys:
        if user is None:
            _refuse("Please login to make this request.")
        value = user.get(key)
        if isinstance(keys, Mapping):
            _check_value(key, keys[key], value)
        elif value is None:
            _refuse(f"Validation failed. Please set data for {key} on your account.")
