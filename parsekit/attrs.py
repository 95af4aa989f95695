"""attrs, as far as this package uses it, without what it costs a process to start.

``from parsekit import attrs`` and then ``@attrs.frozen(slots=True)`` as ever. A type checker reads it as attrs itself,
and the classes behave as those of attrs: slots, equality, hash, ``repr``, pickling, ``match``. What differs is when
their methods are made. attrs compiles them with the class, a millisecond for each of two hundred classes; here a
method is compiled when it is first asked for, and most never are. attrs itself is imported only by who asks a class for
its ``__attrs_attrs__``, as cattrs and ``asdict`` do.

Not here: classes without slots, order, and validators or converters of attributes that change.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from reprlib import recursive_repr
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

__all__ = [
    "NOTHING",
    "Attribute",
    "Factory",
    "asdict",
    "define",
    "evolve",
    "field",
    "fields",
    "frozen",
    "has",
]

_HASH: Final = "_kept_hash"
"""The slot of a class that keeps its hash."""
_FEW: Final = 100
"""So many calls of a method do not pay for compiling it."""
_set: Final = object.__setattr__


class _Nothing:
    """No default."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "NOTHING"


_NOTHING: Final = _Nothing()


class _Factory:
    """Makes the default of each object anew; ``takes_self`` of the object as far as it is made."""

    __slots__ = ("factory", "takes_self")

    def __init__(self, factory: Callable[..., Any], takes_self: bool = False) -> None:
        self.factory = factory
        self.takes_self = takes_self


class _Field:
    """What stands in the body of a class for an attribute that has more to it than a default."""

    __slots__ = ("converter", "eq", "given", "init", "kw_only", "metadata", "repr", "validators")

    def __init__(
        self,
        *,
        default: Any = _NOTHING,
        factory: Callable[[], Any] | None = None,
        converter: Callable[[Any], Any] | None = None,
        validator: Any = (),
        repr: bool | Callable[[Any], str] = True,
        eq: bool | Callable[[Any], Any] = True,
        init: bool = True,
        kw_only: bool = False,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.given = default if factory is None else _Factory(factory)
        self.converter = converter
        self.validators = tuple(validator) if isinstance(validator, list | tuple) else (validator,)
        self.repr, self.eq, self.init, self.kw_only = repr, eq, init, kw_only
        self.metadata = {} if metadata is None else metadata

    def default(self, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Has ``make(object)`` give the default."""
        self.given = _Factory(make, takes_self=True)
        return make

    def validator(self, check: Callable[[Any, Any, Any], None]) -> Callable[[Any, Any, Any], None]:
        """Has ``check(object, attribute, value)`` called for each new object."""
        self.validators = (*self.validators, check)
        return check


class _Attribute:
    """What ``fields`` tells of an attribute."""

    __slots__ = (
        "alias", "converter", "default", "eq", "init", "kw_only", "metadata", "name", "repr", "type", "validators",
    )  # fmt: skip

    def __init__(self, name: str, kind: Any, given: Any, kw_only: bool) -> None:
        spec = given if isinstance(given, _Field) else _Field(default=given)
        self.name, self.alias, self.type = name, name.lstrip("_"), kind
        self.default: Any = spec.given
        self.converter, self.validators, self.metadata = spec.converter, spec.validators, spec.metadata
        self.repr, self.eq, self.init = spec.repr, spec.eq, spec.init
        self.kw_only = kw_only or spec.kw_only

    def __repr__(self) -> str:
        return f"Attribute(name={self.name!r}, default={self.default!r})"


class _Plan:
    """What is known of a class when it is made; its attributes and methods are made from it."""

    __slots__ = ("_fields", "given", "kinds", "options", "owner")

    def __init__(self, kinds: dict[str, Any], given: dict[str, Any], options: _Options) -> None:
        self.owner: type = object
        self.kinds, self.given = kinds, given
        self.options = options
        self._fields: tuple[_Attribute, ...] | None = None

    @property
    def fields(self) -> tuple[_Attribute, ...]:
        """The attributes, those of base classes first."""
        if self._fields is None:
            found: dict[str, _Attribute] = {}
            for base in reversed(self.owner.__mro__):
                plan: _Plan | None = base.__dict__.get("__parsekit_plan__")
                for each in () if plan is None else plan.own():
                    found.pop(each.name, None)
                    found[each.name] = each
            self._fields = tuple(found.values())
        return self._fields

    def own(self) -> Iterator[_Attribute]:
        """The attributes of the class itself."""
        for name, kind in self.kinds.items():
            yield _Attribute(name, kind, self.given.get(name, _NOTHING), self.options.kw_only)


class _Made:
    """Something of a class that is made when it is asked for, and then takes this one's place.

    A method is compiled when it is called often, or when somebody asks the class for it. Until then ``general`` does
    the same for the classes of all plans: what is called ten times is done sooner than compiled.
    """

    __slots__ = ("calls", "general", "make", "name", "plan")

    def __init__(
        self,
        plan: _Plan,
        name: str,
        make: Callable[[_Plan], Any],
        general: Callable[..., Any] | None = None,
    ) -> None:
        self.plan = plan
        self.name = name
        self.make = make
        self.general = general
        self.calls = 0

    def __get__(self, instance: object | None, owner: type | None = None) -> Any:
        if self.general is not None and instance is not None and self.calls < _FEW:
            self.calls += 1
            return partial(self.general, self.plan, instance)
        made = self.make(self.plan)
        setattr(self.plan.owner, self.name, made)
        return (
            made if instance is None or not isinstance(made, FunctionType) else made.__get__(instance, owner)
        )


# --- the methods ---


def _compiled(
    plan: _Plan, name: str, arguments: str, lines: list[str], names: dict[str, Any]
) -> FunctionType:
    text = f"def {name}({arguments}):\n " + "\n ".join(lines)
    exec(
        text, names
    )  # not compile(): its first call makes the classes of the syntax tree, which takes milliseconds
    made: FunctionType = names.pop(name)
    made.__module__, made.__qualname__ = plan.owner.__module__, f"{plan.owner.__qualname__}.{name}"
    made.__code__ = made.__code__.replace(co_filename=f"<{made.__module__}.{made.__qualname__}>")
    return made


def _init(plan: _Plan) -> FunctionType:
    module = sys.modules.get(plan.owner.__module__)
    # those of the module are for who asks what the annotations mean
    names: dict[str, Any] = {**vars(module or object), "NOTHING": _NOTHING}
    arguments: list[str] = []
    keywords: list[str] = []
    lines: list[str] = []
    checks: list[str] = []
    for item in plan.fields:
        name = item.name
        source = _source(item, keywords if item.kw_only else arguments, names)
        if item.converter is not None and source:
            names[f"convert_{name}"] = item.converter
            source = f"convert_{name}({source})"
        if not source:
            continue
        if plan.options.is_frozen:
            names[f"set_{name}"] = getattr(plan.owner, name).__set__
            lines.append(f"set_{name}(self, {source})")
        else:
            lines.append(f"self.{name} = {source}")
        for number, check in enumerate(item.validators):
            names[f"check_{number}_{name}"] = check
            names[f"item_{name}"] = item
            checks.append(f"check_{number}_{name}(self, item_{name}, self.{name})")
    if plan.options.cache_hash:
        names["keep_hash"] = getattr(plan.owner, _HASH).__set__
        lines.append("keep_hash(self, None)")
    if hasattr(plan.owner, "__attrs_post_init__"):
        checks.append("self.__attrs_post_init__()")
    asked = ["self", *arguments, *(["*", *keywords] if keywords else [])]
    made = _compiled(plan, "__init__", ", ".join(asked), [*lines, *checks] or ["pass"], names)
    made.__annotations__ = {item.alias: item.type for item in plan.fields if item.init} | {"return": None}
    return made


def _source(item: _Attribute, arguments: list[str], names: dict[str, Any]) -> str:
    """Where the value of an attribute comes from; nothing for one that is set by others."""
    default, name, alias = item.default, item.name, item.alias
    if isinstance(default, _Factory):
        names[f"make_{name}"] = default.factory
        made = f"make_{name}({'self' if default.takes_self else ''})"
        if not item.init:
            return made
        arguments.append(f"{alias}=NOTHING")
        return f"{made} if {alias} is NOTHING else {alias}"
    if default is not _NOTHING:
        names[f"default_{name}"] = default
    if not item.init:
        return "" if default is _NOTHING else f"default_{name}"
    arguments.append(alias if default is _NOTHING else f"{alias}=default_{name}")
    return alias


def _positional(plan: _Plan) -> tuple[str, ...]:
    return tuple(item.name for item in plan.fields if item.init and not item.kw_only)


def _compared(plan: _Plan) -> list[_Attribute]:
    return [item for item in plan.fields if item.eq]


def _read(item: _Attribute, of: str, names: dict[str, Any]) -> str:
    """What stands for an attribute of the object ``of`` where objects are compared."""
    if item.eq is True:
        return f"{of}.{item.name}"
    names[f"key_{item.name}"] = item.eq
    return f"key_{item.name}({of}.{item.name})"


def _counted(item: _Attribute, of: Any) -> Any:
    value = getattr(of, item.name)
    return item.eq(value) if callable(item.eq) else value


def _eq(plan: _Plan) -> FunctionType:
    names: dict[str, Any] = {}
    pairs = [(_read(item, "self", names), _read(item, "other", names)) for item in _compared(plan)]
    tests = " and ".join(f"{mine} == {theirs}" for mine, theirs in pairs) or "True"
    lines = ["if other.__class__ is not self.__class__:", " return NotImplemented", f"return {tests}"]
    return _compiled(plan, "__eq__", "self, other", lines, names)


def _salt(plan: _Plan) -> int:
    """Objects of different classes with equal attributes are different: they should not share a place."""
    return hash((plan.owner.__module__, plan.owner.__qualname__))


def _hash(plan: _Plan) -> FunctionType:
    names: dict[str, Any] = {"salt": _salt(plan)}
    values = "".join(f"{_read(item, 'self', names)}, " for item in _compared(plan))
    if not plan.options.cache_hash:
        return _compiled(plan, "__hash__", "self", [f"return hash((salt, {values}))"], names)
    names["keep"] = getattr(plan.owner, _HASH).__set__
    lines = [
        f"if self.{_HASH} is None:",
        f" keep(self, hash((salt, {values})))",
        f"return self.{_HASH}",
    ]
    return _compiled(plan, "__hash__", "self", lines, names)


# --- the same for all classes, while there is no method of their own ---


def _general_init(plan: _Plan, self: Any, /, *args: Any, **given: Any) -> None:
    if not _assigned(plan, self, args, given):
        owner: Any = plan.owner
        owner.__init__(self, *args, **given)  # which says what is wrong with the arguments


def _assigned(plan: _Plan, self: Any, args: tuple[Any, ...], given: dict[str, Any]) -> bool:
    """Set the attributes of a new object; ``False`` where the arguments are not those of its class."""
    left, place = dict(given), 0
    for item in plan.fields:
        by_place = item.init and not item.kw_only and place < len(args)
        if by_place and item.alias not in left:
            value = args[place]
            place += 1
        elif item.init and not by_place and item.alias in left:
            value = left.pop(item.alias)
        elif by_place or (item.init and item.default is _NOTHING):
            return False
        elif item.default is _NOTHING:
            continue
        else:
            value = _default(item, self)
        _set(self, item.name, value if item.converter is None else item.converter(value))
    if left or place < len(args):
        return False
    if plan.options.cache_hash:
        _set(self, _HASH, None)
    for item in plan.fields:
        for check in item.validators:
            check(self, item, getattr(self, item.name))
    if hasattr(plan.owner, "__attrs_post_init__"):
        self.__attrs_post_init__()
    return True


def _default(item: _Attribute, self: Any) -> Any:
    default = item.default
    if not isinstance(default, _Factory):
        return default
    return default.factory(self) if default.takes_self else default.factory()


def _general_eq(plan: _Plan, self: Any, other: Any, /) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(_counted(item, self) == _counted(item, other) for item in _compared(plan))


def _general_hash(plan: _Plan, self: Any, /) -> int:
    return hash((_salt(plan), *(_counted(item, self) for item in _compared(plan))))


def _repr(plan: _Plan) -> Callable[[Any], str]:
    @recursive_repr("...")
    def __repr__(self: Any) -> str:  # noqa: N807
        shown = []
        for item in plan.fields:
            if item.repr is not False:
                value = getattr(self, item.name, _NOTHING)
                shown.append(f"{item.name}={repr(value) if item.repr is True else item.repr(value)}")
        return f"{type(self).__qualname__.rsplit('>.', 1)[-1]}({', '.join(shown)})"

    return __repr__


def _getstate(self: Any) -> dict[str, Any]:
    return {item.name: getattr(self, item.name) for item in _fields(type(self))}


def _setstate(self: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        _set(self, name, value)
    if type(self).__parsekit_plan__.options.cache_hash:
        _set(self, _HASH, None)


def _refuse(self: Any, name: str, *_value: Any) -> None:  # noqa: ARG001
    from attrs.exceptions import FrozenInstanceError

    raise FrozenInstanceError


def _for_attrs(plan: _Plan) -> Any:
    """The attributes as attrs has them, for cattrs and others who know attrs alone."""
    import attrs

    body: dict[str, Any] = {"__annotations__": {item.name: item.type for item in plan.fields}}
    for item in plan.fields:
        default = item.default
        if isinstance(default, _Factory):
            make: Any = attrs.Factory
            default = make(default.factory, takes_self=default.takes_self)
        body[item.name] = attrs.field(
            default=attrs.NOTHING if default is _NOTHING else default,
            converter=item.converter,
            validator=list(item.validators) or None,
            repr=item.repr,
            eq=item.eq,
            init=item.init,
            kw_only=item.kw_only,
            metadata=item.metadata,
        )
    return attrs.fields(attrs.frozen(type(plan.owner.__name__, (), body)))


# --- the class ---


class _Options:
    """What a decorator was told."""

    __slots__ = ("cache_hash", "eq", "is_frozen", "kw_only", "repr")

    def __init__(self, *, is_frozen: bool, kw_only: bool, eq: bool, repr: bool, cache_hash: bool) -> None:
        self.is_frozen, self.kw_only, self.cache_hash = is_frozen, kw_only, cache_hash
        self.eq, self.repr = eq, repr


def _with_slots(cls: type, options: _Options) -> type:
    """The class anew, with slots and with methods that are made later."""
    body = dict(cls.__dict__)
    kinds = {
        name: kind for name, kind in body.get("__annotations__", {}).items() if "ClassVar[" not in str(kind)
    }
    given = {name: body.pop(name) for name in kinds if name in body}
    plan = _Plan(kinds, given, options)
    for name in ("__dict__", "__weakref__"):
        body.pop(name, None)
    made: type = type(cls)(
        cls.__name__,
        cls.__bases__,
        {
            **_methods(plan, body),
            **body,
            "__slots__": _slots(cls, plan),
            "__qualname__": cls.__qualname__,
            "__parsekit_plan__": plan,
        },
    )
    plan.owner = made
    _rebind(cls, made, body)
    return made


def _slots(cls: type, plan: _Plan) -> tuple[str, ...]:
    taken = {name for base in cls.__mro__[1:] for name in base.__dict__.get("__slots__", ())}
    slots = [name for name in plan.kinds if name not in taken]
    if plan.options.cache_hash:
        slots.append(_HASH)
    if not any(base.__weakrefoffset__ for base in cls.__bases__):
        slots.append("__weakref__")
    return tuple(slots)


def _methods(plan: _Plan, body: dict[str, Any]) -> dict[str, Any]:
    options = plan.options
    if not options.is_frozen and any(_works(given) for given in plan.given.values()):
        raise TypeError("an attribute that changes has no validator and no converter here")
    methods: dict[str, Any] = {
        "__init__": _Made(plan, "__init__", _init, _general_init),
        "__getstate__": _getstate,
        "__setstate__": _setstate,
        "__replace__": _evolve,
        "__match_args__": _Made(plan, "__match_args__", _positional),
        "__attrs_attrs__": _Made(plan, "__attrs_attrs__", _for_attrs),
    }
    if options.eq and "__eq__" not in body:
        methods["__eq__"] = _Made(plan, "__eq__", _eq, _general_eq)
        methods["__hash__"] = (
            _Made(plan, "__hash__", _hash, None if options.cache_hash else _general_hash)
            if options.is_frozen
            else None
        )
    if options.repr:
        methods["__repr__"] = _Made(plan, "__repr__", _repr)
    if options.is_frozen:
        methods["__setattr__"] = methods["__delattr__"] = _refuse
    return methods


def _works(given: Any) -> bool:
    return isinstance(given, _Field) and bool(given.validators or given.converter)


def _rebind(old: type, new: type, body: dict[str, Any]) -> None:
    """Lead ``super()`` in the methods of ``old`` to ``new``."""
    for item in body.values():
        function = item.fget if type(item) is property else getattr(item, "__func__", item)
        if type(function) is FunctionType and function.__closure__ is not None:
            names = function.__code__.co_freevars
            if "__class__" in names:
                cell = function.__closure__[names.index("__class__")]
                if cell.cell_contents is old:
                    cell.cell_contents = new


def _decorator(cls: type | None, options: _Options) -> Any:
    if cls is None:
        return lambda decorated: _with_slots(decorated, options)
    return _with_slots(cls, options)


def _frozen(
    cls: type | None = None,
    *,
    slots: bool = True,  # noqa: ARG001
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,
    cache_hash: bool = False,
) -> Any:
    return _decorator(cls, _Options(is_frozen=True, kw_only=kw_only, eq=eq, repr=repr, cache_hash=cache_hash))


def _define(
    cls: type | None = None,
    *,
    slots: bool = True,  # noqa: ARG001
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,
) -> Any:
    return _decorator(cls, _Options(is_frozen=False, kw_only=kw_only, eq=eq, repr=repr, cache_hash=False))


# --- asked of classes and objects ---


def _has(cls: type) -> bool:
    return hasattr(cls, "__parsekit_plan__")


def _fields(cls: Any) -> tuple[_Attribute, ...]:
    plan: _Plan = cls.__parsekit_plan__
    return plan.fields


def _evolve(instance: Any, /, **changes: Any) -> Any:
    for item in _fields(type(instance)):
        if item.init and item.alias not in changes:
            changes[item.alias] = getattr(instance, item.name)
    return type(instance)(**changes)


def _asdict(instance: Any) -> dict[str, Any]:
    import attrs

    return attrs.asdict(instance)


if TYPE_CHECKING:
    from attrs import (
        NOTHING,
        Attribute,
        Factory,
        asdict,
        define,
        evolve,
        field,
        fields,
        frozen,
        has,
    )
else:
    NOTHING, Attribute, Factory, field = _NOTHING, _Attribute, _Factory, _Field
    define, frozen = _define, _frozen
    asdict, evolve, fields, has = _asdict, _evolve, _fields, _has
