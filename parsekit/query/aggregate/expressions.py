"""Expressions of a pipeline: ``"$amount"``, ``{"$month": "$closedAt"}``, ``{"$cond": [...]}``.

``compile_expression`` checks an expression once and gives a function from a document to a value; ``MISSING`` where it
leads to nothing. Comparison follows ``values.order_key``, which is MongoDB's order of all values.

A pointer is the text ``Class$objectId`` to an expression, as MongoDB stores it (MongoTransform).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from parsekit.codec import JSON, decode_value, format_date
from parsekit.errors import InvalidQueryError
from parsekit.query.paths import stored_form
from parsekit.values import MISSING, Missing, Value, order_key

__all__ = ["Document", "Expression", "compile_expression", "lookup"]

Document: TypeAlias = dict[str, Value]
Expression: TypeAlias = Callable[[Document], "Value | Missing"]

_RAW_NAMES: Final = {"_created_at": "createdAt", "_updated_at": "updatedAt"}


def lookup(document: Value, path: Sequence[str]) -> Value | Missing:
    """What a dotted path leads to; through an array, the list of what its elements lead to."""
    value: Value | Missing = document
    for place, part in enumerate(path):
        if isinstance(value, list):
            found = [lookup(item, path[place:]) for item in value if isinstance(item, dict)]
            return [item for item in found if item is not MISSING]
        if not isinstance(value, dict):
            return MISSING
        value = value.get(part, MISSING)
    return value


def compile_expression(expression: JSON) -> Expression:
    """The function of an expression.

    Raises:
        InvalidQueryError: 102, an operator that MongoDB has not or parsekit does not offer.
    """
    if isinstance(expression, str) and expression.startswith("$"):
        return _reference(expression)
    if isinstance(expression, Mapping):
        return _operation_or_object(expression)
    if isinstance(expression, list | tuple):
        parts = [compile_expression(item) for item in expression]
        return lambda document: [_null(part(document)) for part in parts]
    return lambda _document: expression


def _reference(text: str) -> Expression:
    name = text.removeprefix("$$ROOT.").removeprefix("$$CURRENT.")
    if text in ("$$ROOT", "$$CURRENT"):
        return lambda document: document
    if text.startswith("$$") and name == text:
        if text == "$$NOW":
            raise InvalidQueryError("$$NOW is not offered; send the date itself")
        raise InvalidQueryError(f"Use of undefined variable: {text.removeprefix('$$')}")
    root, *rest = name.removeprefix("$").split(".")
    path = (_RAW_NAMES.get(root, root.removeprefix("_p_")), *rest)
    if len(path) == 1:
        key = path[0]
        return lambda document: stored_form(document.get(key, MISSING))
    return lambda document: stored_form(lookup(document, path))


def _operation_or_object(expression: Mapping[str, JSON]) -> Expression:
    operators = [key for key in expression if key.startswith("$")]
    if operators:
        if len(expression) > 1:
            raise InvalidQueryError("an expression specification must contain exactly one field")
        return _operation(operators[0], expression[operators[0]])
    if "__type" in expression:
        constant = decode_value(dict(expression))
        return lambda _document: stored_form(constant)
    parts = {key: compile_expression(item) for key, item in expression.items()}

    def build(document: Document) -> Value:
        built = {key: part(document) for key, part in parts.items()}
        return {key: value for key, value in built.items() if value is not MISSING}

    return build


def _operation(name: str, argument: JSON) -> Expression:
    if name == "$literal":
        return lambda _document: argument
    special = _SPECIAL.get(name)
    if special is not None:
        return special(argument)
    function = _FUNCTIONS.get(name)
    if function is None:
        raise InvalidQueryError(f"Unrecognized expression '{name}'")
    parts = [compile_expression(item) for item in (argument if isinstance(argument, list) else [argument])]
    return lambda document: function(*[part(document) for part in parts])


def _null(value: Value | Missing) -> Value:
    return None if value is MISSING else value


# --- operators that take their arguments by name, or not all of them ---


def _cond(argument: JSON) -> Expression:
    if isinstance(argument, Mapping):
        argument = [argument.get("if"), argument.get("then"), argument.get("else")]
    if not isinstance(argument, list) or len(argument) != 3:
        raise InvalidQueryError("$cond: expected [if, then, else]")
    test, yes, no = (compile_expression(item) for item in argument)
    return lambda document: yes(document) if _truth(test(document)) else no(document)


def _date_to_string(argument: JSON) -> Expression:
    if not isinstance(argument, Mapping) or "date" not in argument:
        raise InvalidQueryError("Missing 'date' parameter to $dateToString")
    date = compile_expression(argument["date"])
    form = argument.get("format")

    def render(document: Document) -> Value:
        value = date(document)
        if not isinstance(value, datetime):
            return None
        return format_date(value) if form is None else _formatted(value, str(form))

    return render


def _formatted(value: datetime, form: str) -> str:
    text = form.replace("%L", f"{value.microsecond // 1000:03d}").replace("%z", "+0000").replace("%Z", "0")
    return value.strftime(text)


def _date_part(part: Callable[[datetime], int]) -> Callable[[JSON], Expression]:
    def compile_part(argument: JSON) -> Expression:
        if isinstance(argument, Mapping) and "date" in argument:
            argument = argument["date"]
        if isinstance(argument, list) and len(argument) == 1:
            argument = argument[0]
        date = compile_expression(argument)

        def evaluate(document: Document) -> Value:
            value = date(document)
            if isinstance(value, datetime):
                return part(value)
            if value is None or value is MISSING:
                return None
            raise InvalidQueryError("can't convert from a value that is no date to Date")

        return evaluate

    return compile_part


_SPECIAL: Final[dict[str, Callable[[JSON], Expression]]] = {
    "$cond": _cond,
    "$dateToString": _date_to_string,
    "$year": _date_part(lambda date: date.year),
    "$month": _date_part(lambda date: date.month),
    "$dayOfMonth": _date_part(lambda date: date.day),
    "$dayOfWeek": _date_part(lambda date: date.isoweekday() % 7 + 1),
    "$dayOfYear": _date_part(lambda date: date.timetuple().tm_yday),
    "$hour": _date_part(lambda date: date.hour),
    "$minute": _date_part(lambda date: date.minute),
    "$second": _date_part(lambda date: date.second),
    "$millisecond": _date_part(lambda date: date.microsecond // 1000),
    "$week": _date_part(lambda date: int(date.strftime("%U"))),
    "$isoWeek": _date_part(lambda date: date.isocalendar().week),
    "$isoWeekYear": _date_part(lambda date: date.isocalendar().year),
    "$isoDayOfWeek": _date_part(lambda date: date.isoweekday()),
}


# --- operators on values ---


def _truth(value: Value | Missing) -> bool:
    if value is MISSING or value is None or value is False:
        return False
    return not _is_number(value) or bool(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numeric(compute: Callable[..., Value]) -> Callable[..., Value]:
    """An operator on numbers, which is null as soon as one of them is null or missing."""

    def evaluate(*values: Value | Missing) -> Value:
        if any(value is None or value is MISSING for value in values):
            return None
        if not all(_is_number(value) for value in values):
            raise InvalidQueryError("arithmetic is for numbers only; the pipeline gives it something else")
        return compute(*values)

    return evaluate


def _divide(dividend: float, divisor: float) -> float:
    if divisor == 0:
        raise InvalidQueryError("can't $divide by zero")
    return dividend / divisor


def _modulo(dividend: int | float, divisor: int | float) -> int | float:
    if divisor == 0:
        raise InvalidQueryError("can't $mod by zero")
    rest = math.fmod(dividend, divisor)  # the sign is the dividend's, as MongoDB has it
    return int(rest) if isinstance(dividend, int) and isinstance(divisor, int) else rest


def _subtract(first: Value | Missing, second: Value | Missing) -> Value:
    if isinstance(first, datetime) and isinstance(second, datetime):
        return int((first - second).total_seconds() * 1000)
    return _numeric(lambda a, b: a - b)(first, second)


def _round(value: int | float, places: int = 0) -> int | float:
    rounded = round(value, places)
    return rounded if places > 0 else int(rounded)


def _sum(*values: Value | Missing) -> Value:
    return sum(value for value in _flat(values) if _is_number(value))


def _average(*values: Value | Missing) -> Value:
    numbers = [value for value in _flat(values) if _is_number(value)]
    return sum(numbers) / len(numbers) if numbers else None


def _flat(values: Sequence[Any]) -> Sequence[Any]:
    return values[0] if len(values) == 1 and isinstance(values[0], list) else values


def _extreme(pick: Callable[..., Value]) -> Callable[..., Value]:
    def evaluate(*values: Value | Missing) -> Value:
        given = [value for value in _flat(values) if value is not None and value is not MISSING]
        return pick(given, key=order_key) if given else None

    return evaluate


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda first, second: test(order_key(first), order_key(second))


def _if_null(*values: Value | Missing) -> Value | Missing:
    return next((value for value in values if value is not None and value is not MISSING), values[-1])


def _concat(*values: Value | Missing) -> Value:
    if any(value is None or value is MISSING for value in values):
        return None
    return "".join(str(value) for value in values)


def _text(change: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: change(value) if isinstance(value, str) else ""


def _size(value: Value | Missing) -> int:
    if not isinstance(value, list):
        raise InvalidQueryError("The argument to $size must be an array")
    return len(value)


def _element(elements: Value | Missing, place: Value) -> Value | Missing:
    if not isinstance(elements, list):
        return None
    return elements[place] if -len(elements) <= place < len(elements) else MISSING


def _contained(value: Value | Missing, elements: Value | Missing) -> bool:
    if not isinstance(elements, list):
        raise InvalidQueryError("$in requires an array as a second argument")
    wanted = order_key(value)
    return any(order_key(item) == wanted for item in elements)


def _sign(first: Any, second: Any) -> int:
    left, right = order_key(first), order_key(second)
    return (left > right) - (left < right)


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "$add": _numeric(lambda *numbers: sum(numbers)),
    "$subtract": _subtract,
    "$multiply": _numeric(lambda *numbers: math.prod(numbers)),
    "$divide": _numeric(_divide),
    "$mod": _numeric(_modulo),
    "$abs": _numeric(abs),
    "$ceil": _numeric(math.ceil),
    "$floor": _numeric(math.floor),
    "$trunc": _numeric(math.trunc),
    "$round": _numeric(_round),
    "$sum": _sum,
    "$avg": _average,
    "$min": _extreme(min),
    "$max": _extreme(max),
    "$eq": _compared(lambda a, b: a == b),
    "$ne": _compared(lambda a, b: a != b),
    "$gt": _compared(lambda a, b: a > b),
    "$gte": _compared(lambda a, b: a >= b),
    "$lt": _compared(lambda a, b: a < b),
    "$lte": _compared(lambda a, b: a <= b),
    "$cmp": _sign,
    "$and": lambda *values: all(_truth(value) for value in values),
    "$or": lambda *values: any(_truth(value) for value in values),
    "$not": lambda value: not _truth(value),
    "$ifNull": _if_null,
    "$concat": _concat,
    "$toLower": _text(str.lower),
    "$toUpper": _text(str.upper),
    "$size": _size,
    "$arrayElemAt": _element,
    "$in": _contained,
    "$isArray": lambda value: isinstance(value, list),
}
