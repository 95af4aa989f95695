"""``PFRelation``: the objects that one object is related to, many to many.

``deal.relation("contacts")`` gives one. Adding and removing are pending operations of the owner and reach the database
with its next save; ``query()`` asks for the members that are saved. Who may be added is the schema's affair, how
members are stored ``storage``'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar, final

from parsekit import attrs
from parsekit.errors import InvalidPointerError, TypeMismatchError
from parsekit.object import PFObject
from parsekit.operations import AddRelation, RemoveRelation
from parsekit.query.builder import PFQuery
from parsekit.values import Pointer, RelationReference

__all__ = ["PFRelation"]

T = TypeVar("T", bound=PFObject)


@final
class PFRelation(Generic[T]):
    """One relation of one object. Make it with ``obj.relation(key)``.

    It holds no members: their number is ``query().count()``, they themselves are ``query().find()``. ``target_class``
    need not be given where the owner knows it.
    """

    __slots__ = ("_target", "key", "owner")

    def __init__(self, owner: PFObject, key: str, target_class: str | None = None) -> None:
        self.owner = owner
        self.key = key
        self._target = target_class

    @property
    def target_class(self) -> str | None:
        """The class of the members, ``None`` until the relation has met one."""
        reference = self.owner.raw(self.key)
        return reference.class_name if isinstance(reference, RelationReference) else self._target

    def add_object(self, obj: T) -> None:
        """Make ``obj`` a member with the owner's next save.

        Raises:
            InvalidPointerError: ``obj`` has not been saved.
            TypeMismatchError: 111, it is of another class than the members.
        """
        self.add_objects([obj])

    def add_objects(self, objects: Iterable[T]) -> None:
        """Make several objects members with the owner's next save. Raises what ``add_object`` raises."""
        self.owner.perform(self.key, AddRelation(self._pointers(objects)))

    def remove_object(self, obj: T) -> None:
        """End the membership of ``obj`` with the owner's next save. Raises what ``add_object`` raises."""
        self.remove_objects([obj])

    def remove_objects(self, objects: Iterable[T]) -> None:
        """End the membership of several objects with the owner's next save."""
        self.owner.perform(self.key, RemoveRelation(self._pointers(objects)))

    def _pointers(self, objects: Iterable[T]) -> tuple[Pointer, ...]:
        pointers = tuple(obj.__parse_pointer__() for obj in objects)
        known = self.target_class or (pointers[0].class_name if pointers else None)
        for pointer in pointers:
            if pointer.class_name != known:
                raise TypeMismatchError(
                    f"Related object object must be of class {known}, but {pointer.class_name} was passed in",
                    hint=f"{self.owner.class_name}.{self.key} leads to one class",
                )
        return pointers

    def query(self) -> PFQuery[T]:
        """A query for the saved members, to be narrowed further: ``$relatedTo`` of the owner.

        Raises:
            InvalidPointerError: the owner has not been saved.
        """
        if self.owner.object_id is None:
            raise InvalidPointerError(
                f"relation {self.key}: its {self.owner.class_name} has not been saved and has no members",
                code=-1,
                hint="save the owner first",
            )
        target = self.target_class
        query: PFQuery[T] = PFQuery(target or self.owner.class_name)
        query.where_related_to(self.owner, from_key=self.key)
        if target is None:
            return PFQuery.from_state(attrs.evolve(query.state(), redirect_key=self.key))
        return query

    def __parse_value__(self) -> RelationReference:
        target = self.target_class
        if target is None:
            raise InvalidPointerError(
                f"relation {self.key}: it has no members and leads to no class yet", code=-1
            )
        return RelationReference(target)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PFRelation):
            return NotImplemented
        return self.key == other.key and self.owner is other.owner

    def __hash__(self) -> int:
        return hash((id(self.owner), self.key))

    def __repr__(self) -> str:
        return f"<PFRelation {self.owner.class_name}.{self.key} -> {self.target_class or 'unknown'}>"
