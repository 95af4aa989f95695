"""Class-level permissions: what a class states, what that means for one operation, and what may be stated.

A class that never stated permissions is open. One that did is closed except for what it says: an operation
that the stored permissions leave out is the master's alone, because the server fills the gaps with ``{}``
when it reads them (MongoSchemaCollection.mongoSchemaToParseSchema).

Protected fields are part of the same JSON; ``acl.protected`` says what they hide. How a verdict joins a
query is ``acl.policy``'s affair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NoReturn, TypeAlias, cast, final, get_args

from parsekit import attrs
from parsekit.acl.acl import PUBLIC
from parsekit.acl.principal import Principal
from parsekit.errors import InvalidJsonError
from parsekit.schema import OPEN_PERMISSIONS, ClassSchema, Permissions, default_fields
from parsekit.values import Value

__all__ = [
    "CUSTOM_USER_ID",
    "GENERATED_USER_ID",
    "OPERATIONS",
    "ClassVerdict",
    "Operation",
    "WriteKind",
    "default_object_acl",
    "effective_permissions",
    "evaluate",
    "render_permissions",
    "validate_permissions",
]

Operation: TypeAlias = Literal["find", "get", "count", "create", "update", "delete", "addField"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
WriteKind: TypeAlias = Literal["create", "update"]

GENERATED_USER_ID: Final = r"[a-zA-Z0-9]+\Z"
"""The pattern of user ids that permissions may name when the engine makes all objectIds."""
CUSTOM_USER_ID: Final = r".+\Z"
"""The pattern of user ids that permissions may name when clients may choose objectIds."""

_POINTER_FIELDS: Final = "pointerFields"
_REQUIRES_AUTHENTICATION: Final = "requiresAuthentication"
_READ_OPERATIONS: Final = frozenset({"find", "get", "count"})
_FIELD_LISTS: Final = ("readUserFields", "writeUserFields")
_KEYS: Final = frozenset({*OPERATIONS, *_FIELD_LISTS, "ACL", "protectedFields"})
_CLOSED: Final[Permissions] = MappingProxyType({**{op: {} for op in OPERATIONS}, "protectedFields": {}})
_COMMON_FIELDS: Final = frozenset(default_fields(""))


def effective_permissions(class_schema: ClassSchema | None) -> Permissions | None:
    """What applies: the stored permissions with every gap closed, ``None`` for a class that states none."""
    if class_schema is None or class_schema.permissions is None:
        return None
    return {**_CLOSED, **class_schema.permissions}


def render_permissions(class_schema: ClassSchema) -> dict[str, Value]:
    """The ``classLevelPermissions`` that ``GET /schemas`` shows, as a copy."""
    permissions = effective_permissions(class_schema)
    shown = OPEN_PERMISSIONS if permissions is None else permissions
    return {key: _plain(value) for key, value in shown.items()}


def default_object_acl(class_schema: ClassSchema | None, principal: Principal) -> dict[str, Value] | None:
    """The ACL that a new object gets when its creator sends none; ``None`` to leave it public.

    This is the key ``ACL`` of class-level permissions (parse_server.md S11b); its entry ``currentUser``
    stands for the creator. An ACL sent as null counts as not sent (RestWrite.setRequiredFieldsIfNeeded).
    """
    stated = None if class_schema is None else (class_schema.permissions or {}).get("ACL")
    if not isinstance(stated, Mapping) or stated == OPEN_PERMISSIONS["ACL"]:
        return None
    acl = {key: dict(rights) for key, rights in stated.items()}
    creator = acl.pop("currentUser", None)
    if creator is not None and principal.user_id is not None:
        acl[principal.user_id] = creator
    return acl


# --- one operation ---


@final
@attrs.frozen(slots=True)
class ClassVerdict:
    """What a class says about one operation of one principal.

    ``pointer_fields``: the operation reaches only objects of which one of these fields refers to the user.
    Empty for no such limit. ``reason`` is for people.
    """

    outcome: Literal["allowed", "needs_user", "denied"]
    reason: str
    pointer_fields: tuple[str, ...] = ()


def evaluate(
    permissions: Permissions | None,
    operation: Operation,
    ids: frozenset[str],
    *,
    logged_in: bool,
    during: WriteKind = "update",
) -> ClassVerdict:
    """Test ``operation`` against effective permissions for a principal known as ``ids`` that is no master.

    ``during`` tells which write an ``addField`` belongs to: pointer permissions can let a user add a field
    to an object that is there, not while creating one (parse_server.md S14). The order of the tests is that
    of S13.
    """
    if permissions is None:
        return ClassVerdict("allowed", "the class states no permissions")
    stated = permissions.get(operation)
    entities: Permissions = stated if isinstance(stated, Mapping) else {}
    hit = _entity_hit(entities, ids)
    if hit is not None:
        return ClassVerdict("allowed", f'{operation} is allowed to "{hit}"')
    creating = operation == "create" or (operation == "addField" and during == "create")
    fields = () if creating else _pointer_fields(permissions, operation, entities)
    if entities.get(_REQUIRES_AUTHENTICATION) is True:
        if not logged_in:
            return ClassVerdict("needs_user", f"{operation} requires authentication")
        return ClassVerdict("allowed", f"{operation} is allowed to every logged-in user", fields)
    if operation == "create":
        return ClassVerdict("denied", "create is not allowed; pointer permissions cannot allow it")
    if fields:
        return ClassVerdict(
            "allowed", f"{operation} is allowed to users named in {', '.join(fields)}", fields
        )
    if creating and _list(permissions, "writeUserFields"):
        # SchemaController.validatePermission looks at writeUserFields before it looks at what the write is.
        return ClassVerdict("allowed", "addField is allowed because the class has writeUserFields")
    return ClassVerdict("denied", f"{operation} is not allowed")


def _entity_hit(entities: Permissions, ids: frozenset[str]) -> str | None:
    """The entity that lets one of ``ids`` through: everyone first, then users and roles in order."""
    if entities.get(PUBLIC) is True:
        return PUBLIC
    hits = [entity for entity in ids if entities.get(entity) is True]
    return min(hits, default=None)


def _pointer_fields(permissions: Permissions, operation: Operation, entities: Permissions) -> tuple[str, ...]:
    group = "readUserFields" if operation in _READ_OPERATIONS else "writeUserFields"
    return tuple(dict.fromkeys((*_list(entities, _POINTER_FIELDS), *_list(permissions, group))))


def _list(permissions: Permissions, key: str) -> tuple[str, ...]:
    stated = permissions.get(key)
    return tuple(stated) if isinstance(stated, list | tuple) else ()


# --- what may be stated ---


def validate_permissions(
    permissions: object, class_schema: ClassSchema, *, user_id: str = CUSTOM_USER_ID
) -> Permissions | None:
    """The permissions as the class may state them, copied; ``None`` states none, which opens the class.

    ``class_schema`` is the class as it will be, so that permissions may name fields that come with them.
    ``user_id`` is the pattern of a user's objectId. ``{}`` closes the class to everyone but the master.

    Raises:
        InvalidJsonError: 107 with Parse's text (SchemaController.validateCLP).
    """
    if permissions is None:
        return None
    if not isinstance(permissions, Mapping):
        _refuse(f"'{_js(permissions)}' is not a valid value for class level permissions - must be an object")
    for key, stated in permissions.items():
        if key not in _KEYS:
            _refuse(f"{key} is not a valid operation for class level permissions")
        if key in _FIELD_LISTS:
            if not isinstance(stated, list | tuple):
                _refuse_type(key, stated, "an array")
            _check_pointer_fields(stated, class_schema, key)
        elif not isinstance(stated, Mapping):
            _refuse_type(key, stated, "an object")
        elif key == "protectedFields":
            _check_protected_fields(stated, class_schema, user_id)
        else:
            _check_entities(key, stated, class_schema, user_id)
    return cast(Permissions, _plain(permissions))


def _check_entities(
    key: str, entities: Mapping[str, object], class_schema: ClassSchema, user_id: str
) -> None:
    for entity, stated in entities.items():
        known = entity in (PUBLIC, _POINTER_FIELDS, _REQUIRES_AUTHENTICATION)
        if not known and not entity.startswith("role:") and not re.match(user_id, entity):
            _refuse(f"'{entity}' is not a valid key for class level permissions")
        if entity == _POINTER_FIELDS:
            if not isinstance(stated, list | tuple):
                _refuse(f"'{_js(stated)}' is not a valid value for {key}[{entity}] - expected an array.")
            _check_pointer_fields(stated, class_schema, key)
        elif key == "ACL":
            _check_default_acl(stated)
        elif stated is not True:
            _refuse(f"'{_js(stated)}' is not a valid value for class level permissions acl {key}:{entity}")


def _check_default_acl(rights: object) -> None:
    if not isinstance(rights, Mapping):
        _refuse(f"'{_js(rights)}' is not a valid value for class level permissions acl")
    unknown = [key for key in rights if key not in ("read", "write")]
    if unknown:
        _refuse(f"'{','.join(unknown)}' is not a valid key for class level permissions acl")
    wrong = [_js(value) for value in rights.values() if not isinstance(value, bool)]
    if wrong:
        _refuse(f"'{','.join(wrong)}' is not a valid value for class level permissions acl")


def _check_pointer_fields(
    keys: list[object] | tuple[object, ...], class_schema: ClassSchema, where: str
) -> None:
    for key in keys:
        field = class_schema.fields.get(key) if isinstance(key, str) else None
        if field is None or not (
            field.type == "Array" or (field.type == "Pointer" and "_User" in field.targets)
        ):
            _refuse(
                f"'{_js(key)}' is not a valid column for class level pointer permissions {where}",
                hint="name a field that is a pointer to _User or an array",
            )


def _check_protected_fields(groups: Mapping[str, object], class_schema: ClassSchema, user_id: str) -> None:
    for group, keys in groups.items():
        known = group in (PUBLIC, "authenticated") or group.startswith(("role:", "userField:"))
        if not known and not re.match(user_id, group):
            _refuse(f"'{group}' is not a valid key for class level permissions")
        if not isinstance(keys, list | tuple):
            _refuse(f"'{_js(keys)}' is not a valid value for protectedFields[{group}] - expected an array.")
        for key in keys:
            if not isinstance(key, str) or (key not in class_schema.fields and key not in _COMMON_FIELDS):
                _refuse(f"Field '{_js(key)}' in protectedFields:{group} does not exist")
            if key in _COMMON_FIELDS:
                _refuse(f"Default field '{key}' can not be protected")


def _plain(value: Value) -> Value:
    """A copy in dicts and lists, whatever kinds of mapping and sequence ``value`` is made of."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _refuse_type(key: str, stated: object, expected: str) -> NoReturn:
    _refuse(f"'{_js(stated)}' is not a valid value for class level permissions {key} - must be {expected}")


def _refuse(message: str, hint: str | None = None) -> NoReturn:
    raise InvalidJsonError(message, hint=hint)


def _js(value: object) -> str:
    """``value`` as JavaScript writes it into a text, which is how Parse's messages quote it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, list | tuple):
        return ",".join("" if item is None else _js(item) for item in value)
    return str(value)
