"""``Principal``: under whom something runs, and the ids that an ACL or a class-level permission knows that
one by.

A principal says who, not through which session: two sessions of a user are equal principals. Which roles a
user has depends on the data and is asked for elsewhere (``acl.roles``), so role names travel beside the
principal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, final

from parsekit import attrs
from parsekit.acl.acl import PUBLIC, role_principal
from parsekit.errors import InternalServerError

__all__ = ["Principal", "PrincipalKind", "is_reserved_user_id", "principal_ids"]

PrincipalKind: TypeAlias = Literal["anonymous", "user", "master", "read_only_master", "maintenance"]

_RESERVED_IDS: Final = frozenset({
    PUBLIC, "*unresolved", "requiresAuthentication", "authenticated", "pointerFields", "currentUser",
})  # fmt: skip
_RESERVED_PREFIXES: Final = ("role:", "userField:")


def is_reserved_user_id(user_id: str) -> bool:
    """Whether a user of this id would be taken for a role or for a group of permissions.

    Where clients choose objectIds, somebody could sign up as ``role:admins``. Parse Server refuses that
    prefix (ClassesRouter.handleCreate, Auth.getAuthForSessionToken); the other words that permissions give
    a meaning to are refused here for the same reason.
    """
    return not user_id or user_id in _RESERVED_IDS or user_id.startswith(_RESERVED_PREFIXES)


@final
@attrs.frozen(slots=True, cache_hash=True)
class Principal:
    """Under whom an operation runs. Make one with a constructor such as ``Principal.user("aU1")``.

    The session token is a secret: it is left out of ``repr`` and of comparison, as is the installation.
    """

    kind: PrincipalKind
    user_id: str | None = None
    session_token: str | None = attrs.field(default=None, repr=False, eq=False)
    installation_id: str | None = attrs.field(default=None, eq=False)

    def __attrs_post_init__(self) -> None:
        if (self.kind == "user") != (self.user_id is not None):
            raise ValueError(
                f"Principal: a user_id belongs to the kind user and to no other, not to {self.kind}"
            )
        if self.user_id is not None and is_reserved_user_id(self.user_id):
            raise InternalServerError(
                "Invalid object ID.", hint="the user's objectId reads as a role or a permission group"
            )

    @staticmethod
    def anonymous(*, installation_id: str | None = None) -> Principal:
        """Nobody in particular: whoever is not logged in."""
        return Principal("anonymous", installation_id=installation_id)

    @staticmethod
    def user(
        user_id: str, *, session_token: str | None = None, installation_id: str | None = None
    ) -> Principal:
        """The user of this objectId.

        Raises:
            InternalServerError: 1, the id would read as a role or a permission group.
        """
        return Principal("user", user_id, session_token, installation_id)

    @staticmethod
    def master(*, installation_id: str | None = None) -> Principal:
        """The one to whom no permission applies."""
        # SAFETY: this only names the master; each use of it says at its place why it is needed.
        return Principal("master", installation_id=installation_id)

    @staticmethod
    def read_only_master() -> Principal:
        """A master that may not write."""
        # SAFETY: reads everything; every write is refused by acl.policy.
        return Principal("read_only_master")

    @staticmethod
    def maintenance() -> Principal:
        """A master that also reads and writes internal fields."""
        # SAFETY: meant for imports and repairs, which have to set what clients may not.
        return Principal("maintenance")

    @property
    def bypasses_permissions(self) -> bool:
        """Whether no ACL, class-level permission or protected field applies."""
        # SAFETY: the one test by which the policy lets a master through.
        return self.kind in ("master", "read_only_master", "maintenance")


def principal_ids(principal: Principal, role_names: Iterable[str] = ()) -> frozenset[str]:
    """What ACLs and class-level permissions may call this principal: everyone, its id, its roles.

    Only a user has roles. A master gets ``{"*"}``: it needs no entry, so whoever tests it by ids all the
    same errs on the safe side.

    >>> sorted(principal_ids(Principal.user("aU1"), ["sales"]))
    ['*', 'aU1', 'role:sales']
    """
    if principal.user_id is None:
        return frozenset({PUBLIC})
    return frozenset({PUBLIC, principal.user_id, *map(role_principal, role_names)})
