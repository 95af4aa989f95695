"""A whole query over objects in memory: conditions, order, skip, limit. Pure; both dialects.

What the scan executor, the local datastore and ``parsekit.testing`` run, and what every other way of
answering a query is held to. Permissions are in the tree already (``AclTest``), so that limit and count are
right by themselves.

Not said here: projection, includes, hydration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from parsekit.query.dialect import Dialect
from parsekit.query.matcher import Lookup, compile_predicate
from parsekit.query.ordering import sort_objects
from parsekit.query.state import QueryState
from parsekit.values import Value

__all__ = ["count_objects", "find_objects", "page"]

Row = TypeVar("Row", bound=Mapping[str, Value])


def _rules(query: QueryState) -> Dialect:
    return Dialect.SERVER if query.dialect is None else query.dialect


def page(rows: list[Row], query: QueryState, rules: Dialect) -> list[Row]:
    """``rows`` from the query's skip on, at most its limit (or the dialect's default)."""
    limit = rules.default_limit if query.limit is None else query.limit
    return rows[query.skip :] if limit is None else rows[query.skip : query.skip + limit]


def find_objects(objects: Iterable[Row], query: QueryState, lookup: Lookup | None = None) -> list[Row]:
    """The results of ``query`` among ``objects``, which are given in insertion order and all of its class.

    Raises:
        ParseError: what ``compile_predicate``, the predicate and ``sort_objects`` raise; the first object in
        insertion
            order that is refused decides.
    """
    rules = _rules(query)
    predicate = compile_predicate(query.where, rules, lookup)
    return page(sort_objects(list(filter(predicate, objects)), query.order, query.where, rules), query, rules)


def count_objects(objects: Iterable[Row], query: QueryState, lookup: Lookup | None = None) -> int:
    """How many objects match. Order, skip and limit do not matter, and nothing is raised for them."""
    predicate = compile_predicate(query.where, _rules(query), lookup)
    return sum(map(predicate, objects))
