"""Classes made by ``parsekit.attrs`` are what attrs makes of the same text, whether or not a method is compiled yet."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar, get_type_hints

import attrs as original
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsekit import attrs

T = TypeVar("T")
CALLS = 130
"""More calls than a method answers before it is compiled."""


def doubled(value: int) -> int:
    return value * 2


def not_negative(_instance: object, attribute: Any, value: int) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name}: {value}")


class Generics:
    """One set of classes made by a library."""

    def __init__(self, library: Any) -> None:
        @library.frozen(slots=True)
        class Plain:
            kind: ClassVar[str] = "plain"
            a: int
            b: Any = ()
            _hidden: str = library.field(default="h", repr=False, eq=False)

        @library.frozen(kw_only=True, cache_hash=True)
        class Keywords:
            a: int
            b: Any = library.field(factory=list, eq=False)
            c: str = "c"

        @library.frozen
        class Worked:
            a: int = library.field(converter=doubled, validator=not_negative)
            b: int = library.field(default=1, repr=lambda value: f"<{value}>")
            c: int = library.field(init=False)
            seen: list[int] = library.field(factory=list)

            @c.default
            def _sum(self) -> int:
                return self.a + self.b

            @b.validator
            def _small(self, attribute: Any, value: int) -> None:
                if value > 100:
                    raise ValueError(f"{attribute.name} is great")

            def __attrs_post_init__(self) -> None:
                self.seen.append(self.c)

        @library.define
        class Changing:
            a: int
            b: list[int] = library.field(factory=list)

        @library.frozen(eq=False)
        class Unlike:
            a: int

        @library.frozen(slots=True)
        class Child(Plain, Generic[T]):
            d: int = 4

            def asked(self) -> Any:
                return super().__repr__()

        @library.frozen(repr=False)
        class Own:
            a: int

            def __repr__(self) -> str:
                return "own"

            def __eq__(self, other: object) -> bool:
                return True

            def __hash__(self) -> int:
                return 1

        self.all = {kind.__name__: kind for kind in (Plain, Keywords, Worked, Changing, Unlike, Child, Own)}


OURS, THEIRS = Generics(attrs).all, Generics(original).all


def outcome(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except (TypeError, ValueError) as error:
        text = str(error) if not isinstance(error, TypeError) else ""
        return type(error), text


def shown(made: Any) -> Any:
    if isinstance(made, tuple):
        return made
    names = [item.name for item in original.fields(type(made))]
    text = (
        ""
        if type(made).__repr__ is object.__repr__
        else repr(made).replace("Generics.__init__.<locals>.", "")
    )
    return text, [getattr(made, name, "nothing") for name in names]


arguments = st.tuples(
    st.lists(st.integers(-3, 120), max_size=5),
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "hidden", "_hidden", "seen"]), st.integers(-3, 120), max_size=3
    ),
)


@given(st.sampled_from(sorted(OURS)), st.lists(arguments, min_size=1, max_size=4))
def test_objects_are_made_as_attrs_makes_them(
    name: str, calls: list[tuple[list[int], dict[str, int]]]
) -> None:
    for args, keywords in calls:
        if name == "Worked":  # the list of what was seen is made by the class
            args = args[:2]
            keywords.pop("seen", None)
        ours = outcome(partial(OURS[name], *args, **keywords))
        theirs = outcome(partial(THEIRS[name], *args, **keywords))
        assert shown(ours) == shown(theirs)


@pytest.mark.parametrize("name", sorted(OURS))
def test_a_compiled_method_does_what_the_general_one_did(name: str) -> None:
    fresh = Generics(attrs).all[name]
    made = [fresh(a=place % 3) for place in range(CALLS)]
    assert [shown(item) for item in made] == [shown(THEIRS[name](a=place % 3)) for place in range(CALLS)]
    theirs = [THEIRS[name](a=place % 3) for place in range(CALLS)]
    for place in range(CALLS):
        assert (made[place] == made[0]) is (theirs[place] == theirs[0])
        assert (made[place] == object()) is (theirs[place] == object())
    if fresh.__hash__ is not None:
        if name == "Worked":  # whose lists have no hash
            return
        hashes = [hash(item) for item in made]
        assert hashes == [hash(item) for item in made]
        assert len(set(made)) == len(set(theirs))


def test_what_is_frozen_does_not_change() -> None:
    made = OURS["Plain"](1)
    with pytest.raises(original.exceptions.FrozenInstanceError):
        made.a = 2
    with pytest.raises(AttributeError):
        del made.a
    with pytest.raises(AttributeError):
        made.other = 2
    changing = OURS["Changing"](1)
    changing.a = 2
    assert changing == OURS["Changing"](2)
    with pytest.raises(TypeError):
        hash(changing)


def test_attrs_and_others_know_the_classes() -> None:
    made = OURS["Worked"](2)
    assert original.has(type(made))
    assert original.asdict(OURS["Plain"](1)) == {"a": 1, "b": (), "_hidden": "h"}
    assert [item.name for item in original.fields(type(made))] == [
        item.name for item in attrs.fields(type(made))
    ]
    assert original.evolve(OURS["Plain"](1), a=2) == attrs.evolve(OURS["Plain"](1), a=2) == OURS["Plain"](2)
    assert str(inspect.signature(OURS["Plain"])) == str(inspect.signature(THEIRS["Plain"]))
    assert get_type_hints(Kept.__init__) == {"a": int, "b": str, "return": type(None)}
    assert OURS["Plain"].__match_args__ == THEIRS["Plain"].__match_args__
    match OURS["Plain"](1, 2):
        case object(a=1, b=two):
            assert two == 2
    assert weakref.ref(made)() is made


def test_super_leads_to_the_base() -> None:
    assert OURS["Child"](1).asked() == THEIRS["Child"](1).asked()


def test_a_changing_attribute_has_no_validator() -> None:
    with pytest.raises(TypeError):

        @attrs.define
        class _Refused:
            a: int = attrs.field(validator=not_negative)


@attrs.frozen(slots=True, cache_hash=True)
class Kept:
    a: int
    b: str = "b"


def test_objects_are_copied_and_pickled() -> None:
    made = Kept(1)
    hash(made)
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert twin == made
        assert hash(twin) == hash(made)


def test_attrs_itself_is_not_imported() -> None:
    program = (
        "import sys\nfrom parsekit import attrs\n@attrs.frozen\nclass A:\n    __annotations__ = {'a': 'int'}\n"
        "assert A(1) == A(1) and {A(1)} and repr(A(1)) == 'A(a=1)'\nprint('attr' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
