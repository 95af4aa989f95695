"""Plan -> SQL: which condition SQLite evaluates itself, which through the matcher, and in what order rows come.

A leaf becomes native SQL only where that agrees with ``query.matcher`` on every object (law L1); everything else calls
the SQL function ``pk_test`` with the matcher's own predicate, so no operator has a second meaning. The result is a
``Compiled``: text, and one *bind* per placeholder that says from which value, and how, it is made.

Runs only on a plan-cache miss. ``operators`` holds the translation of single leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from sqlglot import exp

from parsekit import attrs
from parsekit.query.ast import Near
from parsekit.query.collation import canonical_utf16
from parsekit.query.dialect import Dialect
from parsekit.query.keys import SCORE
from parsekit.query.normalize import normalize
from parsekit.query.ordering import order_bytes
from parsekit.query.plan import (
    PlanAcl,
    PlanAll,
    PlanAny,
    PlanConstant,
    PlanLeaf,
    PlanNode,
    PlanNone,
    PlanQuery,
)
from parsekit.query.state import OrderKey
from parsekit.query.text import text_score
from parsekit.storage import nodes
from parsekit.storage.binding import ACL_READ, CONSTANT, SKIP, Bind, Compiled
from parsekit.storage.functions import sql_callable
from parsekit.storage.grouping import Grouping, group_nodes
from parsekit.storage.layout import (
    ACL_COLUMN,
    LOCAL_COLUMN,
    NULLS_COLUMN,
    RID_COLUMN,
    ClassLayout,
    Column,
)
from parsekit.storage.operators import leaf_expression
from parsekit.values import MISSING, Value

__all__ = ["Compiler", "native_order"]

_PLACEHOLDER: Final = re.compile(r":b(\d+)\b")
_NATIVE_ORDER: Final = frozenset({"String", "Number", "Boolean", "Date", "Pointer"})


class Compiler:
    """Compiles one plan. ``layout_of`` gives the layout of a class, ``None`` when there is no such class."""

    def __init__(self, layout_of: Callable[[str], ClassLayout | None], rules: Dialect) -> None:
        self._layout_of = layout_of
        self.rules = rules
        self._binds: list[Bind] = []
        self.residual: list[str] = []
        self.notes: list[str] = []
        self._aliases = 0
        self.under_none = False

    # -- what operators use ----------------------------------------------------------------------

    def bind(self, index: int, convert: Callable[[Value], Any] | None = None) -> exp.Expression:
        """A placeholder for ``convert`` of the value at ``index``."""
        self._binds.append(Bind(index, convert))
        return exp.Placeholder(this=f"b{len(self._binds) - 1}")

    def alias(self) -> str:
        """A fresh table alias."""
        self._aliases += 1
        return f"t{self._aliases}"

    def layout(self, class_name: str) -> ClassLayout | None:
        """The layout of a class."""
        return self._layout_of(class_name)

    def column(self, layout: ClassLayout, key: str) -> Column | None:
        """The column of a key, ``None`` for a key that the class lacks."""
        return layout.columns.get(key)

    def ids(self, plan: PlanQuery, key: str = "objectId") -> exp.Expression | None:
        """A sub-select of ``key`` in the results of a sub-query; ``None`` when the class or key does not exist."""
        layout = self._layout_of(plan.class_name)
        column = None if layout is None else layout.columns.get(key)
        if layout is None or column is None or len(column.names) != 1:
            return None
        alias = self.alias()
        outside, self.under_none = self.under_none, False
        where = self.where(layout, alias, normalize(plan.where))
        self.under_none = outside
        return nodes.select([nodes.column(column.name, alias)], nodes.table(layout.table, alias), where)

    # -- conditions ------------------------------------------------------------------------------

    def where(self, layout: ClassLayout, alias: str, node: PlanNode) -> exp.Expression | None:
        """A condition as SQL, ``None`` when it always holds."""
        if isinstance(node, PlanConstant):
            return None if node.value else exp.Boolean(this=False)
        return self.condition(layout, alias, node)

    def condition(self, layout: ClassLayout, alias: str, node: PlanNode) -> exp.Expression:
        """A condition as SQL."""
        if isinstance(node, PlanLeaf):
            return leaf_expression(self, layout, alias, node)
        if isinstance(node, PlanConstant):
            return exp.Boolean(this=node.value)
        if isinstance(node, PlanAcl):
            return self._acl(alias, node)
        outside = self.under_none
        self.under_none = outside or isinstance(node, PlanNone)
        parts = [self.condition(layout, alias, child) for child in node.children]
        self.under_none = outside
        if isinstance(node, PlanAll):
            return nodes.all_of(parts)
        if isinstance(node, PlanAny):
            return nodes.any_of(parts)
        assert isinstance(node, PlanNone)
        return nodes.all_of([nodes.not_true(part) for part in parts])

    def _acl(self, alias: str, node: PlanAcl) -> exp.Expression:
        assert node.access == "read", "a write tests the ACL where it reads the row (storage.writer)"
        at = exp.Add(this=nodes.column(ACL_COLUMN, alias), expression=nodes.number(1))
        byte = nodes.call("substr", self.bind(ACL_READ), at, nodes.number(1))
        return exp.EQ(this=byte, expression=exp.HexString(this="01"))

    # -- order -----------------------------------------------------------------------------------

    def _order(self, layout: ClassLayout, alias: str, plan: PlanQuery) -> list[exp.Expression]:
        keys = self._order_keys(layout, alias, plan.order, plan.where)
        near = _near_leaf(plan.where)
        if near is not None and (not plan.order or self.rules.near_beats_order):
            keys = [*self._distance(layout, alias, near), *keys]
        if not keys and not plan.order and not plan.skip and self.rules.ties_follow_order:
            return []  # any order will do; a page further on needs one that stays
        descending = self.rules.ties_follow_order and bool(plan.order) and plan.order[0].descending
        return [*keys, _ordered(nodes.column(RID_COLUMN, alias), descending)]

    def _order_keys(
        self, layout: ClassLayout, alias: str, order: tuple[OrderKey, ...], where: PlanNode
    ) -> list[exp.Expression]:
        keys: list[exp.Expression] = []
        for item in order:
            root, _, rest = item.key.partition(".")
            column = layout.columns.get(root)
            if item.key == SCORE:
                score = self._score(layout, alias, where)
                keys.extend([] if score is None else [_ordered(score, True)])
                continue
            if column is None or not column.names:
                continue  # MongoDB ignores an unknown key: every row lacks it and ties
            if not rest and column.field.type in native_order(self.rules):
                keys.append(self._ordered(nodes.column(column.name, alias), item.descending))
            elif self.rules.unordered_values_raise:
                keys.append(self._text_order(column, alias, item.descending))
            else:
                keys.append(self._order_function(column, alias, rest, item.descending))
        return keys

    def _ordered(self, node: exp.Expression, descending: bool) -> exp.Expression:
        return _ordered(node, descending, missing_first=self.rules.missing_first)

    def _text_order(self, column: Column, alias: str, descending: bool) -> exp.Expression:
        """Texts by canonical equivalence and UTF-16. What has no order at all does not come here (``failing``)."""
        self.notes.append(f"order by {column.key} runs in Python")
        place = sql_callable(lambda cell: None if cell is None else canonical_utf16(cell))
        cell = nodes.column(column.name, alias)
        return self._ordered(
            nodes.call("pk_order", self.bind(CONSTANT, lambda _nothing: place), cell), descending
        )

    def _order_function(self, column: Column, alias: str, path: str, descending: bool) -> exp.Expression:
        key_of = _order_converter(column, tuple(path.split(".")) if path else (), descending)
        self.notes.append(f"order by {column.key}{'.' + path if path else ''} runs in Python")
        cells = [nodes.column(name, alias) for name in column.names]
        # SQLite compares the BLOBs bytewise; both directions are encoded in the key's order
        return _ordered(
            nodes.call("pk_order", self.bind(CONSTANT, lambda _nothing: key_of), *cells), descending
        )

    def _score(self, layout: ClassLayout, alias: str, where: PlanNode) -> exp.Expression | None:
        """The relevance of a ``$text``; ``None`` where there is none to be had."""
        leaf = _leaf_with(where, "$text")
        column = None if leaf is None else layout.columns.get(leaf.key)
        if leaf is None or column is None or len(column.names) != 1:
            return None
        decode = column.decode

        def scorer(search: Value) -> Any:
            return sql_callable(
                lambda cell: (
                    None if cell is None else text_score(search, cell if decode is None else decode(cell))
                )
            )

        self.notes.append(f"the $score of {leaf.key} runs in Python")
        cell = nodes.column(column.name, alias)
        return nodes.call("pk_order", self.bind(leaf.parameter.index, scorer), cell)

    def _distance(self, layout: ClassLayout, alias: str, leaf: PlanLeaf) -> list[exp.Expression]:
        column = layout.columns.get(leaf.key)
        if column is None or column.field.type != "GeoPoint":
            return []
        cells = [nodes.column(name, alias) for name in column.names]
        latitude = self.bind(leaf.parameter.index, _near_latitude)
        longitude = self.bind(leaf.parameter.index, _near_longitude)
        return [_ordered(nodes.call("pk_distance", *cells, latitude, longitude), False)]

    # -- statements ------------------------------------------------------------------------------

    def compile_grouping(self, plan: PlanQuery, grouping: Grouping) -> Compiled:
        """The statement of a grouping over what ``plan`` finds. The class must exist."""
        layout = self._layout_of(plan.class_name)
        assert layout is not None
        return self._compiled(group_nodes(self, layout, plan, grouping), ())

    def compile(self, plan: PlanQuery) -> Compiled:
        """The statement of a find, count or id query. The class must exist."""
        layout = self._layout_of(plan.class_name)
        assert layout is not None
        where = normalize(plan.where)
        names: tuple[str, ...] = ("count",)
        if plan.verb == "count":
            node = self._count(layout, where)
        else:
            node, names = self._find(layout, attrs.evolve(plan, where=where))
        return self._compiled(node, names)

    def _compiled(self, node: exp.Expression, names: tuple[str, ...]) -> Compiled:
        sql = nodes.render(node)
        order = list(dict.fromkeys(int(number) for number in _PLACEHOLDER.findall(sql)))
        binds = tuple(self._binds[number] for number in order)
        return Compiled(sql, binds, names, tuple(dict.fromkeys(self.residual)), tuple(self.notes))

    def _count(self, layout: ClassLayout, where: PlanNode) -> exp.Expression:
        alias = self.alias()
        return nodes.select(
            [nodes.call("count", exp.Star())],
            nodes.table(layout.table, alias),
            self.where(layout, alias, where),
        )

    def _find(self, layout: ClassLayout, plan: PlanQuery) -> tuple[exp.Expression, tuple[str, ...]]:
        alias = self.alias()
        names = ("objectId",) if plan.verb == "ids" else _projection(layout, plan)
        columns = [nodes.column(name, alias) for name in names]
        score = self._score(layout, alias, plan.where) if _asks_for_score(plan) else None
        if score is not None:
            columns, names = [*columns, score], (*names, SCORE)
        source = nodes.table(layout.table, alias)
        limit = None if plan.limit is None else nodes.number(plan.limit)
        offset = self.bind(SKIP) if plan.skip else None
        if offset is not None and limit is None:
            limit = nodes.number(-1)
        if limit is None or not self._sorts_first(layout, plan):
            where = self.where(layout, alias, plan.where)
            order = self._order(layout, alias, plan)
            return nodes.select(columns, source, where, order=order, limit=limit, offset=offset), names
        inner = self.alias()
        page = nodes.select(
            [nodes.column(RID_COLUMN, inner)],
            nodes.table(layout.table, inner),
            self.where(layout, inner, plan.where),
            order=self._order(layout, inner, plan),
            limit=limit,
            offset=offset,
        )
        chosen = exp.In(this=nodes.column(RID_COLUMN, alias), query=exp.Subquery(this=page))
        return nodes.select(columns, source, chosen, order=self._order(layout, alias, plan)), names

    def _sorts_first(self, layout: ClassLayout, plan: PlanQuery) -> bool:
        """Whether rowids are sorted before rows are read: the order is no index's, or rows are skipped."""
        if not plan.order or _near_leaf(plan.where) is not None:
            return False
        if not any(item.key.partition(".")[0] in layout.columns for item in plan.order):
            return False
        return plan.skip or not self._serves_order(layout, plan)

    def _serves_order(self, layout: ClassLayout, plan: PlanQuery) -> bool:
        if (
            not self.rules.missing_first
        ):  # SQLite reads an index with the NULLs at the other end for one key only
            keys = [layout.columns.get(item.key) for item in plan.order]
            native = native_order(self.rules)
            if any(column is None or column.field.type not in native for column in keys) or len(keys) > 1:
                return False
        return serves_order(layout, plan.where, plan.order)


def _ordered(node: exp.Expression, descending: bool, *, missing_first: bool = True) -> exp.Expression:
    # nulls_first is spelled out because sqlglot would otherwise write NULLS LAST, which is wrong and loses the index
    return exp.Ordered(this=node, desc=descending, nulls_first=missing_first != descending)


def native_order(rules: Dialect) -> frozenset[str]:
    """The types whose stored form SQLite orders as the dialect does."""
    return _NATIVE_ORDER if rules.string_order == "code-point" else _NATIVE_ORDER - {"String", "Pointer"}


def _leaf_with(node: PlanNode, op: str) -> PlanLeaf | None:
    """The last leaf with ``op`` that every result satisfies."""
    if isinstance(node, PlanLeaf):
        return node if node.op == op else None
    if isinstance(node, PlanAll):
        found = (_leaf_with(child, op) for child in reversed(node.children))
        return next((leaf for leaf in found if leaf is not None), None)
    return None


def _near_leaf(node: PlanNode) -> PlanLeaf | None:
    return _leaf_with(node, "$nearSphere")


def _near_latitude(near: Near) -> float:
    return near.point.latitude


def _near_longitude(near: Near) -> float:
    return near.point.longitude


def _order_converter(column: Column, path: tuple[str, ...], descending: bool) -> Any:
    decode = column.decode
    wide = len(column.names) == 2

    def key(*cells: Any) -> bytes | None:
        stored = cells if wide else cells[0]
        if cells[0] is None:
            value: Value = MISSING
        else:
            value = stored if decode is None else decode(stored)
        return order_bytes(value, descending=descending, path=path)

    return sql_callable(key)


def _asks_for_score(plan: PlanQuery) -> bool:
    return plan.verb == "find" and plan.columns is not None and SCORE in plan.columns


def _projection(layout: ClassLayout, plan: PlanQuery) -> tuple[str, ...]:
    names: list[str] = []
    for column in layout.stored_columns():
        if column.key in plan.hidden or (plan.columns is not None and column.key not in plan.columns):
            continue
        names.extend(column.names)
    if layout.schemaless:
        return (*names, ACL_COLUMN, NULLS_COLUMN, RID_COLUMN, LOCAL_COLUMN)
    return (*names, ACL_COLUMN, NULLS_COLUMN) if layout.null_keys else (*names, ACL_COLUMN)


def serves_order(layout: ClassLayout, where: PlanNode, order: tuple[OrderKey, ...]) -> bool:
    """Whether some index yields the rows in this order: equalities on its first keys, then the order's keys."""
    equal = _equal_keys(where)
    wanted = [(item.key, item.descending) for item in order]
    keys = [key for key, _ in wanted]
    if keys[0] in ("objectId",):
        return True
    for index in layout.schema.indexes:
        rest = list(index.keys)
        while rest and rest[0][0] in equal:
            rest.pop(0)
        head = rest[: len(wanted)]
        if [key for key, _ in head] == keys and len(
            {a[1] == b[1] for a, b in zip(head, wanted, strict=True)}
        ) == 1:
            return True
    return False


def _equal_keys(node: PlanNode) -> set[str]:
    if isinstance(node, PlanLeaf):
        return {node.key} if node.op == "$eq" else set()
    if isinstance(node, PlanAll):
        return set().union(*map(_equal_keys, node.children))
    return set()
