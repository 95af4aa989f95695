"""``PFACL``, the permissions of one object, and the canonical form under which storage keeps them.

An ACL maps principals to rights. A principal is written ``*`` (everyone), a user's objectId, or
``role:Name``. Only what is granted is kept: a right that is not granted is not there, and a principal
without rights is not there either.

No ACL at all is public; an ACL without entries is for the master only. The two are far apart, so ``None``
is never folded into ``{}`` here.

What an ACL means for a query is said in ``acl.policy``, how it is stored in ``storage``.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, final

import attrs

from parsekit.codec import decode_interior, dumps, encode_interior
from parsekit.errors import AclError, MissingObjectIdError, ParseError
from parsekit.values import Value

__all__ = [
    "PFACL",
    "PUBLIC",
    "AccessKind",
    "AclEntries",
    "Identified",
    "Named",
    "canonical_acl",
    "readers",
    "role_principal",
    "writers",
]

PUBLIC: Final = "*"
_ROLE_PREFIX: Final = "role:"
_UNRESOLVED: Final = "*unresolved"

AccessKind: TypeAlias = Literal["read", "write"]


class Identified(Protocol):
    """Anything with a class name and an objectId, such as a ``PFUser``."""

    @property
    def class_name(self) -> str:
        """The class of the object."""

    @property
    def object_id(self) -> str | None:
        """The objectId, ``None`` before the first save."""


class Named(Identified, Protocol):
    """A ``PFRole``."""

    @property
    def name(self) -> str | None:
        """The name of the role, which is what an ACL holds of it."""


def role_principal(name: str) -> str:
    """The principal that an ACL or a class-level permission writes for the role ``name``."""
    return _ROLE_PREFIX + name


def _is_granted(value: Value) -> bool:
    """Whether JavaScript takes ``value`` as true, which is how Parse Server reads a right."""
    return bool(value) or isinstance(value, Mapping | list)


def _grants(json: object) -> tuple[set[str], set[str]]:
    """The readers and the writers of an ACL in JSON form.

    The server looks up ``read`` and ``write`` in every entry and cares for nothing else
    (DatabaseController.transformObjectACL): other keys and entries that are no objects grant nothing. It
    fails on a null entry and refuses the SDKs' placeholder for a user without an objectId
    (RestWrite.runDatabaseOperation).
    """
    if not isinstance(json, Mapping):
        raise AclError("Invalid ACL.", hint=f"ACL: expected an object, got {type(json).__name__}")
    if json.get(_UNRESOLVED):
        raise AclError("Invalid ACL.", hint="ACL: a user in it has not been saved; save the user first")
    may_read: set[str] = set()
    may_write: set[str] = set()
    for principal, rights in json.items():
        if rights is None or not isinstance(principal, str):
            raise AclError("Invalid ACL.", hint="ACL: every entry is a principal with an object of rights")
        if isinstance(rights, Mapping):
            if _is_granted(rights.get("read")):
                may_read.add(principal)
            if _is_granted(rights.get("write")):
                may_write.add(principal)
    return may_read, may_write


def _to_json(may_read: Collection[str], may_write: Collection[str]) -> dict[str, dict[str, bool]]:
    json: dict[str, dict[str, bool]] = {}
    for principal in sorted({*may_read, *may_write}):
        rights = json[principal] = {}
        if principal in may_read:
            rights["read"] = True
        if principal in may_write:
            rights["write"] = True
    return json


@final
@attrs.frozen(slots=True)
class AclEntries:
    """An ACL as storage and policy see it: equal ACLs have equal ``text``.

    ``text`` is compact JSON with sorted principals and without what is not granted; ``None`` stands for no
    ACL, whose readers and writers are everyone.
    """

    text: str | None
    readers: frozenset[str]
    writers: frozenset[str]

    @staticmethod
    def of(acl: PFACL | Mapping[str, Value] | None) -> AclEntries:
        """The canonical form of an ACL.

        Raises:
            AclError: 123, not an ACL.
        """
        if acl is None:
            return _NO_ACL
        may_read, may_write = acl.principals() if isinstance(acl, PFACL) else _grants(acl)
        text = dumps(_to_json(may_read, may_write))
        return AclEntries(text, frozenset(may_read), frozenset(may_write))

    def principals(self, access: AccessKind) -> frozenset[str]:
        """Who has the right ``access``."""
        return self.readers if access == "read" else self.writers

    def grants(self, access: AccessKind, ids: Collection[str]) -> bool:
        """Whether one of the principals ``ids`` has the right ``access``."""
        return not self.principals(access).isdisjoint(ids)


_NO_ACL: Final = AclEntries(None, frozenset({PUBLIC}), frozenset({PUBLIC}))


def canonical_acl(json: Mapping[str, Value] | None) -> str | None:
    """The text under which storage numbers an ACL; ``None`` for no ACL.

    >>> canonical_acl({"u1": {"write": True, "read": True}, "*": {"read": True, "write": False}})
    '{"*":{"read":true},"u1":{"read":true,"write":true}}'

    Raises:
        AclError: 123, not an ACL.
    """
    if json is None:
        return None
    spelled: Any = json
    try:
        return _canonical_spelling(marshal.dumps(spelled, 2))
    except (
        TypeError,
        ValueError,
        ParseError,
    ):  # rights that no JSON has; they count as JavaScript takes them
        return AclEntries.of(json).text


@lru_cache(maxsize=4096)
def _canonical_spelling(spelling: bytes) -> str | None:
    """``canonical_acl`` of an ACL by its bytes: applications have few ACLs and write them the same way.

    ``marshal`` is quicker than JSON, and takes builtin types only, which it tells apart.
    """
    return AclEntries.of(decode_interior(encode_interior(marshal.loads(spelling)))).text


def readers(json: Mapping[str, Value] | None) -> frozenset[str]:
    """The principals that may read an object with this ACL.

    Raises:
        AclError: 123, not an ACL.
    """
    return AclEntries.of(json).readers


def writers(json: Mapping[str, Value] | None) -> frozenset[str]:
    """The principals that may change an object with this ACL.

    Raises:
        AclError: 123, not an ACL.
    """
    return AclEntries.of(json).writers


def _user_id(user: Identified) -> str:
    if user.class_name != "_User":
        raise TypeError(f"PFACL: expected a user, got an object of class {user.class_name}")
    if not user.object_id:
        raise MissingObjectIdError("PFACL: the user has not been saved; save it before giving it access")
    return user.object_id


def _role_name(role: Named) -> str:
    if role.class_name != "_Role":
        raise TypeError(f"PFACL: expected a role, got an object of class {role.class_name}")
    if not role.object_id or not role.name:
        raise MissingObjectIdError("PFACL: the role has not been saved; save it before giving it access")
    return role.name


def _named(principal: str, prefix: str = "") -> str:
    if not principal:
        raise ValueError("PFACL: expected the objectId of a user or the name of a role, got nothing")
    if principal == _UNRESOLVED:
        raise AclError("Invalid ACL.", hint="PFACL: a user has not been saved; save the user first")
    return prefix + principal


def _principal(
    for_user_id: str | None,
    for_user: Identified | None,
    for_role_with_name: str | None,
    for_role: Named | None,
) -> str:
    given = [x for x in (for_user_id, for_user, for_role_with_name, for_role) if x is not None]
    if len(given) != 1:
        raise TypeError(
            f"PFACL: {len(given)} users and roles given; give one of for_user_id, for_user, "
            "for_role_with_name, for_role"
        )
    if for_user is not None:
        return _named(_user_id(for_user))
    if for_role is not None:
        return _named(_role_name(for_role), _ROLE_PREFIX)
    if for_role_with_name is not None:
        return _named(for_role_with_name, _ROLE_PREFIX)
    return _named(for_user_id or "")


@final
class PFACL:
    """Who may read and who may change one object.

    A new ``PFACL()`` gives nobody access but the master. Getters look up exactly the principal they are
    asked about: public access does not show in ``get_read_access_for_user_id``, although it lets that user
    read.

    Equal ACLs grant the same rights to the same principals. An ACL can be changed, so it cannot be hashed;
    its ``AclEntries`` can.
    """

    __slots__ = ("_readers", "_writers")
    __hash__: ClassVar[None]  # type: ignore[assignment]  # object declares a method; an ACL can be changed

    def __init__(self) -> None:
        self._readers: set[str] = set()
        self._writers: set[str] = set()

    @classmethod
    def with_user(cls, user: Identified) -> PFACL:
        """An ACL that lets only ``user`` read and write.

        Raises:
            MissingObjectIdError: 104, the user has not been saved.
        """
        acl = cls()
        acl.set_read_access(True, for_user=user)
        acl.set_write_access(True, for_user=user)
        return acl

    @classmethod
    def from_json(cls, json: Mapping[str, Value]) -> PFACL:
        """The ACL of Parse's JSON form. What is not granted is dropped, as Parse does.

        Raises:
            AclError: 123, not an ACL.
        """
        acl = cls()
        acl._readers, acl._writers = _grants(json)
        return acl

    def to_json(self) -> dict[str, dict[str, bool]]:
        """The ACL in Parse's JSON form, principals in order: ``{"*": {"read": True}}``."""
        return _to_json(self._readers, self._writers)

    def __parse_value__(self) -> dict[str, dict[str, bool]]:
        return self.to_json()

    def principals(self) -> tuple[set[str], set[str]]:
        """Copies of who may read and of who may write."""
        return set(self._readers), set(self._writers)

    def copy(self) -> PFACL:
        """An equal ACL that changes on its own."""
        acl = PFACL()
        acl._readers, acl._writers = self.principals()
        return acl

    @property
    def public_read_access(self) -> bool:
        """Whether everyone may read."""
        return PUBLIC in self._readers

    @public_read_access.setter
    def public_read_access(self, allowed: bool) -> None:
        _put(self._readers, PUBLIC, allowed)

    @property
    def public_write_access(self) -> bool:
        """Whether everyone may write."""
        return PUBLIC in self._writers

    @public_write_access.setter
    def public_write_access(self, allowed: bool) -> None:
        _put(self._writers, PUBLIC, allowed)

    def set_read_access(
        self,
        allowed: bool,
        *,
        for_user_id: str | None = None,
        for_user: Identified | None = None,
        for_role_with_name: str | None = None,
        for_role: Named | None = None,
    ) -> None:
        """Give the one named user or role the right to read, or take it away.

        Raises:
            MissingObjectIdError: 104, the user or role has not been saved.
        """
        _put(self._readers, _principal(for_user_id, for_user, for_role_with_name, for_role), allowed)

    def set_write_access(
        self,
        allowed: bool,
        *,
        for_user_id: str | None = None,
        for_user: Identified | None = None,
        for_role_with_name: str | None = None,
        for_role: Named | None = None,
    ) -> None:
        """Give the one named user or role the right to write, or take it away.

        Raises:
            MissingObjectIdError: 104, the user or role has not been saved.
        """
        _put(self._writers, _principal(for_user_id, for_user, for_role_with_name, for_role), allowed)

    def get_read_access_for_user_id(self, user_id: str) -> bool:
        """Whether the ACL names this user as a reader."""
        return user_id in self._readers

    def get_write_access_for_user_id(self, user_id: str) -> bool:
        """Whether the ACL names this user as a writer."""
        return user_id in self._writers

    def get_read_access_for_user(self, user: Identified) -> bool:
        """Whether the ACL names ``user`` as a reader. ``MissingObjectIdError`` for an unsaved user."""
        return _user_id(user) in self._readers

    def get_write_access_for_user(self, user: Identified) -> bool:
        """Whether the ACL names ``user`` as a writer. ``MissingObjectIdError`` for an unsaved user."""
        return _user_id(user) in self._writers

    def get_read_access_for_role_with_name(self, name: str) -> bool:
        """Whether the ACL names this role as a reader."""
        return role_principal(name) in self._readers

    def get_write_access_for_role_with_name(self, name: str) -> bool:
        """Whether the ACL names this role as a writer."""
        return role_principal(name) in self._writers

    def get_read_access_for_role(self, role: Named) -> bool:
        """Whether the ACL names ``role`` as a reader. ``MissingObjectIdError`` for an unsaved role."""
        return role_principal(_role_name(role)) in self._readers

    def get_write_access_for_role(self, role: Named) -> bool:
        """Whether the ACL names ``role`` as a writer. ``MissingObjectIdError`` for an unsaved role."""
        return role_principal(_role_name(role)) in self._writers

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PFACL):
            return NotImplemented
        return self._readers == other._readers and self._writers == other._writers

    def __repr__(self) -> str:
        return f"PFACL.from_json({self.to_json()!r})"


def _put(principals: set[str], principal: str, allowed: bool) -> None:
    if allowed:
        principals.add(principal)
    else:
        principals.discard(principal)
