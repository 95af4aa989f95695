"""``PFQuery``: the fluent builder. It mutates and returns itself; running a query never changes it.

The naming rule is mechanical: the first part of the iOS selector is the method, each further part a
keyword. ``whereKey:equalTo:`` is ``where_key(k, equal_to=v)``. Keys are wire keys
(``"expectedCloseDate"``). A terminal verb (``find``, ``first``, ``get``, ``count``, ``each``, ...) freezes
the builder into a ``QueryState`` and hands it to the engine in force; there is no hidden I/O in ``len``,
truth, iteration or ``repr``.

What replaces what is the SDK's rule (PFMutableQueryState): on one key, an equality replaces the operators
and an operator replaces the equality; the same operator again replaces the earlier one; other operators are
and-ed; a regular expression with modifiers replaces all that is there. Conditions of *one* call are and-ed,
whatever they are. One thing is better here: a replaced condition goes with its options, of which the SDK
leaves ``$options`` and ``$maxDistance`` behind.

Not said here: the checks of arguments (``selectors``), what a condition means (``matcher``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self, TypeVar, Unpack, cast

from parsekit.errors import EngineError
from parsekit.query.ast import ALWAYS, And, Constraint, KeyOfQuery, Node, Nor, Op, Or, RelatedTo, check_depth
from parsekit.query.dialect import Dialect
from parsekit.query.refusals import ArgumentRefusedError, QueryRefusedError
from parsekit.query.selectors import (
    PLAIN_TYPES,
    VALUE_OPERATORS,
    Constraints,
    keyword_constraints,
    pointer_to,
    value_constraint,
)
from parsekit.query.state import OrderKey, QueryState
from parsekit.query.verbs import QueryVerbs
from parsekit.values import Pointer, Value

__all__ = ["Constraints", "PFQuery"]

T = TypeVar("T")

_EQUALITIES: Final = ("$eq", "$ne")

_PARTS_IGNORED: Final = {
    "limit": "sub queries with limits",
    "skip": "sub queries with skip",
    "order": "sub queries with order",
    "include": "sub-queries with includes",
    "exclude_keys": "sub-queries with excludeKeys",
    "keys": "sub-queries with selectKeys",
}
"""Option of a part of a compound query -> the SDK's words when it is sent (PFRESTQueryCommand)."""


class PFQuery(QueryVerbs[T]):
    """A query of one class, by name or by typed class.

    ``PFQuery("Deal").where_key("stage", equal_to="won").order_by_descending("amount").find()`` runs under
    the engine and the principal of the current context. Without ``limit`` a find returns at most 100
    objects, as Parse does.
    """

    __slots__ = ("_conditions", "_extra", "_ignored", "_object_class", "_options", "class_name")

    def __init__(
        self, class_name: str | type[T], *, predicate: str | None = None, arguments: Sequence[Any] = ()
    ) -> None:
        """A query of ``class_name``, with the conditions of an NSPredicate format string where one is given.

        ``arguments`` are what ``%@``, ``%d``, ``%K`` and the like in ``predicate`` stand for, in order.

        Raises:
            PredicateRefusedError: the format does not parse, or the SDK cannot make a query of it.
        """
        self._object_class: type[T] | None = None
        if isinstance(class_name, str):
            self.class_name = class_name
        else:
            self._object_class = class_name
            self.class_name = cast(Any, class_name).parse_class_name
        self._conditions: dict[str, Constraint | dict[str, tuple[Constraint, ...]]] = {}
        self._extra: tuple[Node, ...] = ()
        self._ignored: str | None = None
        self._options: dict[str, Any] = {}
        if predicate is not None:
            from parsekit.query.predicate import parse_predicate

            self._extra = (parse_predicate(predicate, *arguments),)
        elif arguments:
            raise TypeError("PFQuery: arguments belong to a predicate, and there is none")

    # -- combining -------------------------------------------------------------------------------

    @classmethod
    def or_(cls, *queries: PFQuery[T]) -> PFQuery[T]:
        """Objects that match one of the queries, all of one class; of each only its conditions count.

        Raises:
            ArgumentRefusedError: no query, or queries of several classes; when the query runs, on the server,
                also parts with a limit, an order and other options of their own.
        """
        return _combined("or", Or, queries)

    @classmethod
    def and_(cls, *queries: PFQuery[T]) -> PFQuery[T]:
        """Objects that match all of the queries. Raises as ``or_`` does."""
        return _combined("and", And, queries)

    @classmethod
    def nor(cls, *queries: PFQuery[T]) -> PFQuery[T]:
        """Objects that match none of the queries. Raises as ``or_`` does."""
        return _combined("nor", Nor, queries)

    def copy(self) -> Self:
        """An independent copy."""
        import copy

        twin = copy.copy(self)
        twin._conditions = {
            key: held if isinstance(held, Constraint) else dict(held)
            for key, held in self._conditions.items()
        }
        twin._options = dict(self._options)
        return twin

    # -- constraints -----------------------------------------------------------------------------

    def where_key(self, key: str, **constraints: Unpack[Constraints]) -> Self:
        """Add conditions on ``key``; the head of this module says which earlier ones they replace.

        Raises:
            TypeError: an operator that does not exist, or a companion keyword without its operator.
            ArgumentRefusedError: an argument that the SDK does not take (a ``TypeError`` too).
            ValueError: a date without a time zone.
        """
        if len(constraints) == 1:
            ((name, argument),) = constraints.items()
            op = VALUE_OPERATORS.get(name)
            if op is not None:
                taken = type(argument)
                if taken in PLAIN_TYPES or (taken is Pointer and op in _EQUALITIES):
                    leaf = Constraint(key, op, argument)
                else:
                    leaf = value_constraint(key, op, argument)
                if op == "$eq":
                    self._conditions[key] = leaf
                else:
                    self._operators_of(key)[op] = (leaf,)
                return self
        self._add(key, list(keyword_constraints(key, dict(constraints))), "modifiers" in constraints)
        return self

    def _operators_of(self, key: str) -> dict[str, tuple[Constraint, ...]]:
        """What holds the operators of a key, for one more; an equality gives way."""
        held = self._conditions.get(key)
        if held is None or isinstance(held, Constraint):
            held = self._conditions[key] = {}
        else:
            held.pop("$eq", None)
        return held

    def _add(self, key: str, leaves: Sequence[Constraint], replaces_all: bool = False) -> None:
        if replaces_all or any(leaf.op == "$eq" for leaf in leaves):
            self._conditions.pop(key, None)
        for leaf in leaves:
            if isinstance(leaf.argument, QueryState | KeyOfQuery):
                check_depth(leaf)
        held = self._operators_of(key)
        fresh: dict[str, tuple[Constraint, ...]] = {}
        for leaf in leaves:
            fresh[leaf.op] = (*fresh.get(leaf.op, ()), leaf)
        held.update(fresh)

    def where_key_exists(self, key: str) -> Self:
        """The key holds a value (under SERVER an explicit null counts as one)."""
        return self._set(key, "$exists", True)

    def where_key_does_not_exist(self, key: str) -> Self:
        """The key is missing (under IOS_LOCAL an explicit null counts as missing)."""
        return self._set(key, "$exists", False)

    def _set(self, key: str, op: Op, argument: Value) -> Self:
        self._operators_of(key)[op] = (Constraint(key, op, argument),)
        return self

    def where_related_to(self, owner: Any, *, from_key: str) -> Self:
        """Members of the relation ``from_key`` of ``owner`` (what ``PFRelation.query()`` asks)."""
        return self._set("", "$relatedTo", RelatedTo(pointer_to(owner), from_key))

    # -- order, page, projection -----------------------------------------------------------------

    def order_by_ascending(self, key: str) -> Self:
        """Order by ``key`` alone, smallest first; missing values come first under SERVER."""
        self._options["order"] = (OrderKey(key),)
        return self

    def order_by_descending(self, key: str) -> Self:
        """Order by ``key`` alone, greatest first."""
        self._options["order"] = (OrderKey(key, True),)
        return self

    def add_ascending_order(self, key: str) -> Self:
        """Order ties by ``key``, smallest first."""
        return self._append("order", OrderKey(key))

    def add_descending_order(self, key: str) -> Self:
        """Order ties by ``key``, greatest first."""
        return self._append("order", OrderKey(key, True))

    def limit(self, count: int) -> Self:
        """At most ``count`` objects; 0 gives none."""
        self._options["limit"] = _count("limit", count)
        return self

    def skip(self, count: int) -> Self:
        """Leave out the first ``count`` objects."""
        self._options["skip"] = _count("skip", count)
        return self

    def include_key(self, *keys: str) -> Self:
        """Fetch the objects that these pointers (or arrays of pointers) lead to; dotted paths go further."""
        return self._append("include", *_names("include_key", keys))

    def include_all(self) -> Self:
        """Fetch what every pointer and array of pointers of the class leads to, one level."""
        return self._append("include", "*")

    def select_keys(self, *keys: str) -> Self:
        """Fetch only these keys (and objectId, createdAt, updatedAt, ACL); the objects are partial then.

        Further calls add keys.
        """
        return self._append("keys", *_names("select_keys", keys))

    def exclude_keys(self, *keys: str) -> Self:
        """Fetch everything but these keys."""
        return self._append("exclude_keys", *_names("exclude_keys", keys))

    def _append(self, option: str, *items: Any) -> Self:
        self._options[option] = tuple(dict.fromkeys((*(self._options.get(option) or ()), *items)))
        return self

    def hint(self, index_name: str) -> Self:
        """Name the index to use. Accepted for Parse's sake; SQLite's planner decides."""
        self._options["hint"] = index_name
        return self

    def from_local_datastore(self) -> Self:
        """Ask the local datastore, all pinned objects of it."""
        self._options["from_local"] = True
        self._options["pin"] = None
        return self

    def from_pin(self, name: str | None = None) -> Self:
        """Ask the local datastore, one pin of it (``None``: the default pin)."""
        self._options["from_local"] = True
        self._options["pin"] = "_default" if name is None else name
        return self

    def ignore_acls(self) -> Self:
        """Leave ACLs out of account; for the local datastore only, as on iOS."""
        self._options["ignore_acls"] = True
        return self

    def under(self, dialect: Dialect) -> Self:
        """Ask for the answer of another dialect: ``Dialect.IOS_LOCAL`` for what iOS would find offline.

        It runs on the same indexes where that gives the dialect's answer; conditions that can fail the query on an
        object, as some do on iOS, are tested object by object (``explain()`` says which).
        """
        self._options["dialect"] = dialect
        return self

    # -- freezing --------------------------------------------------------------------------------

    def state(self) -> QueryState:
        """The query as a frozen value."""
        leaves: list[Node] = []
        for held in self._conditions.values():
            if held.__class__ is Constraint:
                leaves.append(held)
            else:
                for found in held.values():  # type: ignore[union-attr]
                    leaves += found
        if self._extra:
            leaves += self._extra
        where: Node = leaves[0] if len(leaves) == 1 else And(tuple(leaves)) if leaves else ALWAYS
        return QueryState(self.class_name, where, **self._options)

    def _asked(self) -> QueryState:
        """``state()`` for a terminal verb, which is where the SDK checks that the options fit the store."""
        if "from_local" not in self._options:
            if "ignore_acls" in self._options:
                raise QueryRefusedError(
                    "`ignoreACLs` can only be used with Local Datastore queries.",
                    hint="call from_local_datastore() first, or ask under engine.acting_as_master()",
                )
            if self._ignored is not None:
                raise ArgumentRefusedError(
                    self._ignored,
                    hint="set it on the combined query; the local datastore would ignore it without a word",
                )
        return self.state()

    @classmethod
    def from_state(cls, state: QueryState) -> PFQuery[Any]:
        """A builder that freezes into ``state``."""
        query: PFQuery[Any] = PFQuery(state.class_name)
        query._extra = () if state.where == ALWAYS else (state.where,)
        names = (
            "order", "limit", "skip", "keys", "exclude_keys", "include", "hint", "comment", "dialect", "from_local",
            "pin", "ignore_acls",
        )  # fmt: skip
        default = QueryState(state.class_name)
        query._options = {
            name: getattr(state, name) for name in names if getattr(state, name) != getattr(default, name)
        }
        return query

    @classmethod
    def from_json(cls, class_name: str, parameters: Mapping[str, Any]) -> PFQuery[Any]:
        """The query of REST parameters: ``{"where": {...}, "order": "-amount", "limit": 10}``.

        Raises:
            InvalidQueryError, InvalidJsonError, KeyNameError: as Parse Server refuses them.
        """
        from parsekit.query.where import decode_query

        return cls.from_state(decode_query(class_name, parameters).state)

    def to_json(self) -> dict[str, Any]:
        """The REST parameters of the query."""
        from parsekit.query.where import encode_query

        return encode_query(self.state())

    def __repr__(self) -> str:
        parts = []
        for key, held in self._conditions.items():
            ops = ["$eq"] if isinstance(held, Constraint) else list(held)
            parts += [f"{key} {op}" if key else op for op in ops]
        return f"PFQuery({self.class_name!r}{': ' + ', '.join(parts) if parts else ''})"

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[T]:
        raise EngineError("a PFQuery is not iterable; call .find() for a list or .each() for a stream")


def _combined(op: str, kind: type[Or | And | Nor], queries: tuple[PFQuery[T], ...]) -> PFQuery[T]:
    if not queries:
        raise ArgumentRefusedError(f"Can't create an `{op}` query from no subqueries.")
    for query in queries:
        if not isinstance(query, PFQuery):
            raise ArgumentRefusedError(
                "All elements should be instances of `PFQuery` class.", hint=f"got {type(query).__name__}"
            )
    names = {query.class_name for query in queries}
    if len(names) > 1:
        raise ArgumentRefusedError(
            f"All sub queries of an `{op}` query should be on the same class.",
            hint=f"got {', '.join(sorted(names))}",
        )
    first = queries[0]
    combined: PFQuery[T] = PFQuery(first._object_class or first.class_name)
    combined._extra = (kind(tuple(query.state().where for query in queries)),)
    check_depth(combined._extra[0])
    # A limit of 0 and a selection of nothing are options too.
    ignored = (
        f"{op.upper()} queries do not support {words}"
        for query in queries
        for name, words in _PARTS_IGNORED.items()
        if query._options.get(name) or (name in query._options and name in ("limit", "keys"))
    )
    combined._ignored = next(ignored, next((query._ignored for query in queries if query._ignored), None))
    return combined


def _names(method: str, keys: tuple[object, ...]) -> tuple[str, ...]:
    for key in keys:
        if not isinstance(key, str):
            raise TypeError(f'{method}: keys are texts, as in {method}("a", "b"), not {type(key).__name__}')
    return cast("tuple[str, ...]", keys)


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name}: expected a whole number, got {type(value).__name__}")
    if value < 0:
        raise ValueError(f"{name}: {value} is negative; leave it out for the default")
    return value
