"""Query logic tested offline: some objects, a query, and the answer that Parse would give.

``results`` answers; ``assert_matches``, ``assert_order`` and ``assert_same_in_both_dialects`` answer and
compare, and a failure says which constraint of which object was decisive. Nothing is stored and no engine is
opened: the objects are the whole world of the query, its sub-queries and its relations.

Objects are given as REST JSON (dicts), as ``PFObject``, or as the path of a JSON file of them: a list, a REST
answer (``{"results": [...]}``), or one object a line. A query is a ``PFQuery``, REST JSON with a
``className``, or an NSPredicate format string with ``class_name=``. The answer is Parse Server's, or that of
the iOS local datastore with ``dialect=Dialect.IOS_LOCAL``.

Permissions are left out: ACLs and class-level permissions hide nothing here; test those with an engine
(``parsekit.open()``, or the fixture ``parsekit_engine``). Projections and includes do not change what is
returned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from parsekit import attrs
from parsekit.errors import EngineError, ParseError
from parsekit.query.builder import PFQuery
from parsekit.query.compare import DialectComparison, compare
from parsekit.query.dialect import Dialect
from parsekit.query.evaluate import find_objects
from parsekit.query.state import QueryState
from parsekit.query.where import check_against_schema
from parsekit.testing.given import Given, Objects
from parsekit.testing.reasons import cut, failure, identity, misplaced, reason
from parsekit.values import Value

__all__ = [
    "Objects",
    "Query",
    "assert_matches",
    "assert_order",
    "assert_same_in_both_dialects",
    "compare_dialects",
    "results",
]

Query: TypeAlias = PFQuery[Any] | Mapping[str, Any] | str
"""A builder, REST JSON (``className``, ``where``, ``order``, ...), or an NSPredicate format string."""


def _state(query: Query, class_name: str | None, arguments: Sequence[Any], dialect: Dialect) -> QueryState:
    if isinstance(query, str):
        if class_name is None:
            raise EngineError(f'testing: "{query}" is a predicate and needs class_name="..." beside it')
        query = PFQuery(class_name, predicate=query, arguments=arguments)
    if isinstance(query, Mapping):
        parameters = dict(query)
        name = parameters.pop("className", class_name)
        if not isinstance(name, str):
            raise EngineError(
                'testing: a query in REST JSON needs its class: {"className": "Deal", "where": ...}'
            )
        query = PFQuery.from_json(name, parameters)
    return attrs.evolve(query.state(), dialect=dialect)


def results(
    query: Query,
    objects: Objects,
    dialect: Dialect = Dialect.SERVER,
    *,
    class_name: str | None = None,
    arguments: Sequence[Any] = (),
) -> list[Any]:
    """The objects that the query finds, in its order; the very items that were given.

    >>> deals = [{"objectId": "a", "stage": "won"}, {"objectId": "b", "stage": "lost"}, {"objectId": "c"}]
    >>> [deal["objectId"] for deal in results("stage != %@", deals, class_name="Deal", arguments=["won"])]
    ['b', 'c']

    Args:
        query: what is asked.
        objects: objects of the class; with ``className`` also others, which sub-queries look through.
        dialect: whose answer.
        class_name: the class of a predicate, and of objects that do not name theirs.
        arguments: what ``%@`` and the like in a predicate stand for.

    Raises:
        ParseError: what Parse answers instead of objects.
        EngineError: no class is known, or an object cannot be read.
    """
    state = _state(query, class_name, arguments, dialect)
    given = Given(objects, state.class_name)
    return [given.source(row) for row in _found(given, state, dialect)]


def _found(given: Given, state: QueryState, rules: Dialect) -> list[dict[str, Value]]:
    if rules.typed_fields_as_stored:
        check_against_schema(state.where, given.types(state.class_name))
    return find_objects(given.of(state.class_name), state, given.lookup(state.class_name, rules))


def assert_matches(
    query: Query,
    objects: Objects,
    expected: Iterable[str] | Callable[[Any], bool],
    dialect: Dialect = Dialect.SERVER,
    *,
    class_name: str | None = None,
    arguments: Sequence[Any] = (),
) -> None:
    """The query finds exactly these objects, in any order.

    ``expected`` holds objectIds, or is a function that says of each given object whether it should be found.

    Raises:
        AssertionError: it finds others; says for each object which constraint was decisive.
        EngineError: as ``results``.
    """
    state = _state(query, class_name, arguments, dialect)
    given = Given(objects, state.class_name)
    wanted = _wanted(given, state, expected)
    try:
        found = {identity(row) for row in _found(given, state, dialect)}
    except ParseError as error:
        raise AssertionError(failure(given, state, dialect, error)) from error
    lines = []
    for row in given.of(state.class_name):
        name = identity(row)
        if (name in found) != (name in wanted):
            verb = "was found and should not be" if name in found else "was not found and should be"
            lines.append(f"{state.class_name} {name} {verb}: {reason(given, state, dialect, row)}")
    if lines:
        head = f"{len(lines)} of {len(given.of(state.class_name))} objects answer otherwise ({dialect.name}):"
        raise AssertionError("\n  ".join([head, *cut(lines)]))


def _wanted(
    given: Given, state: QueryState, expected: Iterable[str] | Callable[[Any], bool]
) -> frozenset[str]:
    rows = given.of(state.class_name)
    if callable(expected):
        return frozenset(identity(row) for row in rows if expected(given.source(row)))
    wanted = frozenset(expected)
    unknown = wanted - {identity(row) for row in rows}
    if unknown:
        raise AssertionError(f"no given {state.class_name} has the objectId {', '.join(sorted(unknown))}")
    return wanted


def assert_order(
    query: Query,
    objects: Objects,
    expected: Sequence[str],
    dialect: Dialect = Dialect.SERVER,
    *,
    class_name: str | None = None,
    arguments: Sequence[Any] = (),
) -> None:
    """The query finds exactly the objects with these objectIds, in this order.

    Raises:
        AssertionError: others, or another order; names the first place that differs and the order keys there.
        EngineError: as ``results``.
    """
    options: dict[str, Any] = {"class_name": class_name, "arguments": arguments}
    state = _state(query, class_name, arguments, dialect)
    given = Given(objects, state.class_name)
    try:
        rows = _found(given, state, dialect)
    except ParseError as error:
        raise AssertionError(failure(given, state, dialect, error)) from error
    found = [identity(row) for row in rows]
    wanted = list(expected)
    if found == wanted:
        return
    if set(found) != set(wanted):
        assert_matches(query, given.sources(), wanted, dialect, **options)
    raise AssertionError(misplaced(state, dialect, rows, wanted))


def compare_dialects(
    query: Query,
    objects: Objects,
    *,
    class_name: str | None = None,
    arguments: Sequence[Any] = (),
) -> DialectComparison:
    """How Parse Server and the iOS local datastore answer the query over these objects.

    Raises:
        EngineError: as ``results``.
    """
    state = _state(query, class_name, arguments, Dialect.SERVER)
    given = Given(objects, state.class_name)
    rows = given.of(state.class_name)
    return compare(rows, state, lambda rules: given.lookup(state.class_name, rules))


def assert_same_in_both_dialects(
    query: Query,
    objects: Objects,
    *,
    class_name: str | None = None,
    arguments: Sequence[Any] = (),
) -> None:
    """Parse Server and the iOS local datastore give the same objects in the same order.

    Raises:
        AssertionError: they do not; lists the objects in dispute and the rules responsible.
        EngineError: as ``results``.
    """
    comparison = compare_dialects(query, objects, class_name=class_name, arguments=arguments)
    if not comparison.same:
        raise AssertionError(str(comparison))
