"""What a principal may do, remembered: roles, ACL names and the policy's answers, until something changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, final

from parsekit.acl.clp import Operation, WriteKind
from parsekit.acl.policy import Access, authorize
from parsekit.acl.principal import Principal, principal_ids
from parsekit.acl.protected import Protection
from parsekit.query.ast import ALWAYS, And, Node

if TYPE_CHECKING:
    from parsekit.storage.store import Store

__all__ = ["PrincipalView", "Reading", "Views"]

_MOST_VIEWS = 10_000


@final
class Reading:
    """What reading a class means for a principal, worked out once: the access and what follows from it.

    ``conjunct`` is what joins the query's conditions, ``hidden`` what no object shows, ``unusable`` what no query may
    test, ``per_object`` whether what is hidden depends on the object.
    """

    __slots__ = ("access", "conjunct", "hidden", "per_object", "unusable")

    def __init__(self, access: Access) -> None:
        self.access = access
        self.conjunct = _conjunct(access)
        self.hidden = access.never_shown
        self.unusable = access.unusable_fields
        self.per_object = bool(access.hidden_by_owner or self.unusable or access.private_fields)


@final
class PrincipalView:
    """One principal as of one generation of the database.

    ``ids`` is what ACLs may call the principal, ``None`` for a master, to whom no ACL applies.
    """

    __slots__ = (
        "_accesses",
        "_catalog",
        "_inclusions",
        "_readings",
        "_store",
        "finds",
        "ids",
        "prepared",
        "principal",
        "protection",
        "role_names",
    )

    def __init__(
        self, principal: Principal, role_names: frozenset[str], store: Store, protection: Protection
    ) -> None:
        self.principal = principal
        self.role_names = role_names
        # SAFETY: without ids no ACL test is made; only masters are without.
        self.ids = None if principal.bypasses_permissions else principal_ids(principal, role_names)
        self._store = store
        self._catalog = store.catalog
        self.protection = protection
        self._accesses: dict[tuple[str, Operation, WriteKind], Access] = {}
        self._inclusions: dict[tuple[str, Operation], Reading] = {}
        self.prepared: dict[str, Any] = {}
        """What the read path remembers of gets by id, by class."""
        self.finds: dict[Any, Any] = {}
        """What it remembers of finds, by the shape of the query before permissions join it."""
        self._readings: dict[tuple[str, Operation], Reading] = {}

    def access(self, class_name: str, operation: Operation, during: WriteKind = "update") -> Access:
        """The policy's answer for a class. Raises what ``acl.policy.authorize`` raises."""
        key = (class_name, operation, during)
        found = self._accesses.get(key)
        if found is None:
            schema = self._store.catalog.schema.get(class_name)
            found = authorize(
                schema,
                class_name,
                operation,
                self.principal,
                self.role_names,
                during=during,
                protected_defaults=self.protection.fields,
                owner_exempt=self.protection.owner_exempt,
            )
            if (
                self._store.catalog is self._catalog
            ):  # else this is what an uncommitted change of the schema shows
                self._accesses[key] = found
        return found

    def reading(self, class_name: str, operation: Operation) -> Reading:
        """What reading a class means for the principal. Raises what ``access`` raises."""
        key = (class_name, operation)
        found = self._readings.get(key)
        if found is None:
            found = self._readings[key] = Reading(self.access(class_name, operation))
        return found

    def including(self, class_name: str, operation: Operation) -> Reading:
        """As ``reading``, for objects that come as an include. Raises what ``access`` raises."""
        key = (class_name, operation)
        found = self._inclusions.get(key)
        if found is None:
            found = self._inclusions[key] = Reading(self.access(class_name, operation).as_included())
        return found


def _conjunct(access: Access) -> Node | None:
    """What an access adds to a query's conditions, ``None`` for nothing."""
    node = access.constrain(ALWAYS)
    if not isinstance(node, And):
        return None
    added = node.children[1:]
    return added[0] if len(added) == 1 else And(added)


@final
class Views:
    """The views of the principals seen lately; forgotten whenever classes, roles or ACLs change."""

    def __init__(
        self, store: Store, roles_of: Callable[[str], frozenset[str]], protection: Protection
    ) -> None:
        self._store = store
        self._protection = protection
        self._roles_of = roles_of
        self._views: dict[Principal, PrincipalView] = {}
        self._latest: tuple[Principal, PrincipalView, dict[Principal, PrincipalView]] | None = None
        store.on_reload(self.forget)

    def forget(self) -> None:
        """Compute everything anew from now on."""
        self._views = {}

    def of(self, principal: Principal) -> PrincipalView:
        """The view of a principal."""
        latest, views, store = self._latest, self._views, self._store
        if store.pending is None and latest is not None and latest[0] is principal and latest[2] is views:
            return latest[1]  # one call after the other mostly runs under the same principal
        view = views.get(principal)
        if view is None or self._store.has_uncommitted:
            names = frozenset() if principal.user_id is None else self._roles_of(principal.user_id)
            view = PrincipalView(principal, names, self._store, self._protection)
            if self._store.has_uncommitted:
                return view  # what an uncommitted change shows is nobody else's
            if len(views) >= _MOST_VIEWS:
                views = self._views = {}
            views[principal] = view  # not into what a reload has put in their place meanwhile
        self._latest = principal, view, views
        return view
