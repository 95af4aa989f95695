"""Pins against a model of reachability: what is stored is what pins reach through the values of stored objects.

The model knows nothing of nodes or edges: for each object the values that queries should see, for each pin its roots.
What is stored follows from a walk over those values, from every root, through objects of which there is data.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

import parsekit
from parsekit import Dialect, PFObject, PFQuery
from parsekit.engine.local import open_beside
from parsekit.errors import CacheMissError

CLASSES = ("A", "B")
PINS = st.sampled_from(["_default", "p", "q"])
KEYS = ("x", "y")


@attrs.define(eq=False)
class Thing:
    """An object: its class, what the device should know of it, and whether the server has it."""

    class_name: str
    name: int
    links: dict[str, Thing] = attrs.field(factory=dict)
    items: list[Thing] = attrs.field(factory=list)
    number: int = 0
    object_id: str | None = None
    stored: bool = False
    """Whether there is data of it in the local datastore."""
    lost: bool = False
    """Whether it went with the memory of an earlier process."""
    pointers: list[Thing] = attrs.field(factory=list)
    """Those that the object in memory knows by a pointer alone."""

    def successors(self) -> list[Thing]:
        return [*self.links.values(), *self.items]


class Pins(RuleBasedStateMachine):
    things = Bundle("things")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.model: list[Thing] = []
        self.made = 0
        self.objects: dict[Thing, PFObject] = {}
        self.roots: dict[str, list[Thing]] = {}
        self.engine = parsekit.open(local_datastore=self.folder / "device.db", synchronous="OFF").__enter__()
        self._follow()

    def _follow(self) -> None:
        """Subscribes to the objects of A with a number above 0, and keeps what the events say."""
        query = PFQuery("A").from_local_datastore().where_key("number", greater_than=0)
        self.seen = {obj["name"]: obj["number"] for obj in query.find()}
        self.subscription = query.subscribe(capacity=10_000)
        self.observed = query.order_by_ascending("name").limit(3).observe()
        self.listed = [(obj["name"], obj["number"]) for obj in self.observed.objects]

    def teardown(self) -> None:
        self.engine.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    # -- the model -------------------------------------------------------------------------------

    def _reached(self, roots: list[Thing]) -> set[Thing]:
        seen: dict[Thing, None] = {}
        stack = list(roots)
        while stack:
            thing = stack.pop()
            if thing not in seen:
                seen[thing] = None
                if thing.stored:  # of what is known by its id alone, nobody knows whom it refers to
                    stack += thing.successors()
        return set(seen)

    def _collect(self) -> None:
        reached = set().union(*(self._reached(roots) for roots in self.roots.values()), set())
        for thing in self.model:
            thing.stored = thing.stored and thing in reached

    def _store_graph(self, thing: Thing) -> None:
        """As a pin does: everything that the objects in memory reach."""
        stack, seen = [thing], set()
        while stack:
            each = stack.pop()
            if each not in seen:
                seen.add(each)
                each.stored = True
                stack += [other for other in each.successors() if other not in each.pointers]

    def _store_unsaved(self, thing: Thing) -> None:
        """As a change does: unsaved objects that a stored one refers to have no other home."""
        for each in thing.successors():
            if each.object_id is None and not each.stored:
                each.stored = True
                self._store_unsaved(each)

    # -- what happens ----------------------------------------------------------------------------

    @initialize(target=things)
    def first(self) -> Thing:
        return self.create("A")

    @rule(target=things, class_name=st.sampled_from(CLASSES))
    def create(self, class_name: str) -> Thing:
        self.made += 1
        thing = Thing(class_name, self.made)
        self.model.append(thing)
        self.objects[thing] = PFObject(class_name, name=thing.name)
        return thing

    @rule(thing=things, key=st.sampled_from(KEYS), other=things)
    def link(self, thing: Thing, key: str, other: Thing) -> None:
        if thing.lost or other.lost or thing is other or self._leads(other, thing):
            return  # a circle of unsaved objects cannot be saved
        thing.links[key] = other
        thing.pointers = [each for each in thing.pointers if each is not other]
        self.objects[thing][key] = self.objects[other]
        self._changed(thing)

    @rule(thing=things, other=things)
    def append(self, thing: Thing, other: Thing) -> None:
        if thing.lost or other.lost or thing is other or self._leads(other, thing) or other in thing.items:
            return
        thing.pointers = [each for each in thing.pointers if each is not other]
        thing.items.append(other)
        self.objects[thing].add_object(self.objects[other], for_key="items")
        self._changed(thing)

    @rule(thing=things, key=st.sampled_from(KEYS))
    def unlink(self, thing: Thing, key: str) -> None:
        if not thing.lost and thing.links.pop(key, None) is not None:
            del self.objects[thing][key]
            self._changed(thing)

    @rule(thing=things, number=st.integers(0, 3))
    def assign(self, thing: Thing, number: int) -> None:
        if not thing.lost:
            thing.number = number
            self.objects[thing]["number"] = number

    def _leads(self, start: Thing, end: Thing) -> bool:
        stack, seen = [start], set()
        while stack:
            each = stack.pop()
            if each is end:
                return True
            if each not in seen:
                seen.add(each)
                stack += each.successors()
        return False

    def _changed(self, thing: Thing) -> None:
        if thing.stored:
            self._store_unsaved(thing)
            self._collect()

    @rule(thing=things, pin=PINS)
    def pin(self, thing: Thing, pin: str) -> None:
        if thing.lost:
            return
        self.objects[thing].pin(None if pin == "_default" else pin)
        self._store_graph(thing)
        roots = self.roots.setdefault(pin, [])
        if thing not in roots:
            roots.append(thing)

    @rule(thing=things, pin=PINS)
    def unpin(self, thing: Thing, pin: str) -> None:
        if thing.lost:
            return
        self.objects[thing].unpin(None if pin == "_default" else pin)
        if thing in self.roots.get(pin, ()):
            self.roots[pin].remove(thing)
        self.roots = {name: roots for name, roots in self.roots.items() if roots}
        self._collect()

    @rule(pin=PINS)
    def unpin_all(self, pin: str) -> None:
        PFObject.unpin_all_objects(None if pin == "_default" else pin)
        self.roots.pop(pin, None)
        self._collect()

    @rule(thing=things)
    def save(self, thing: Thing) -> None:
        if thing.lost:
            return
        pending = [each for each in self.model if each.object_id is None or self.objects[each].dirty_keys]
        self.objects[thing].save()
        stack = [thing]
        while stack:
            each = stack.pop()
            each.object_id = self.objects[each].object_id
            stack += [other for other in each.successors() if other.object_id is None]
        self._fill_in([each for each in pending if each.object_id and not self.objects[each].dirty_keys])

    def _fill_in(self, saved: list[Thing]) -> None:
        """What a stored object refers to, and was known by its id alone, is stored once it is saved."""
        reached: set[Thing] = set()
        while (now := set().union(*(self._reached(roots) for roots in self.roots.values()))) != reached:
            reached = now
            for each in saved:
                each.stored = each.stored or each in reached

    @rule(thing=consumes(things))
    def delete(self, thing: Thing) -> None:
        if thing.lost or thing.object_id is None or any(thing in other.successors() for other in self.model):
            return  # nothing may refer to it: the server would refuse the next save of a dangling unsaved pointer
        self.objects[thing].delete()
        thing.stored = False
        self.roots = {name: [r for r in roots if r is not thing] for name, roots in self.roots.items()}
        self.roots = {name: roots for name, roots in self.roots.items() if roots}
        self._collect()
        self.model.remove(thing)
        del self.objects[thing]

    @rule()
    def reopen(self) -> None:
        """What is stored is read anew, with everything pending, into other objects."""
        self.engine.local_datastore.close()
        self.engine.local = open_beside(self.engine, self.folder / "device.db", Dialect.IOS_LOCAL)
        self._follow()
        found = {
            obj["name"]: obj
            for name in CLASSES
            for obj in PFQuery(name).from_local_datastore().ignore_acls().find()
        }
        for thing in self.model:
            if thing.stored:
                self.objects[thing] = found[thing.name]
                thing.pointers = [other for other in thing.successors() if other.object_id is not None]
            else:
                thing.lost = True
        self.model = [thing for thing in self.model if not thing.lost]

    # -- what holds --------------------------------------------------------------------------------

    @invariant()
    def what_is_stored_is_what_pins_reach(self) -> None:
        for class_name in CLASSES:
            found = PFQuery(class_name).from_local_datastore().find()
            expected = {
                each.name: each for each in self.model if each.stored and each.class_name == class_name
            }
            assert {obj["name"] for obj in found} == expected.keys()
            for obj in found:
                thing = expected[obj["name"]]
                assert obj.object_id == thing.object_id
                assert obj.get("number", 0) == thing.number
                assert {key: obj[key] for key in KEYS if key in obj}.keys() == thing.links.keys()

    @invariant()
    def events_add_up_to_the_result(self) -> None:
        for event in self.subscription.pending():
            name = event.object["name"]
            assert (name in self.seen) == (event.kind in ("update", "leave", "delete"))
            if event.kind in ("leave", "delete"):
                del self.seen[name]
            else:
                self.seen[name] = event.object["number"]
        expected = {e.name: e.number for e in self.model if e.stored and e.class_name == "A" and e.number > 0}
        assert self.seen == expected
        diff = self.observed.pending()
        if diff is not None:
            now = [(obj["name"], obj["number"]) for obj in self.observed.objects]
            places = {item.index for item in (*diff.inserted, *diff.updated)}
            places |= {moved.to_index for moved in diff.moved}
            assert all(now[place] in self.listed for place in range(len(now)) if place not in places)
            self.listed = now
        assert self.listed == sorted(expected.items())[:3]

    @invariant()
    def each_pin_has_what_it_reaches(self) -> None:
        pins = {pin.name: pin for pin in self.engine.local_datastore.pins()}
        assert pins.keys() == self.roots.keys()
        for name, roots in self.roots.items():
            reached = [thing for thing in self._reached(roots) if thing.stored]
            assert (pins[name].roots, pins[name].objects) == (len(roots), len(reached))
            for class_name in CLASSES:
                found = {obj["name"] for obj in PFQuery(class_name).from_pin(name).find()}
                assert found == {thing.name for thing in reached if thing.class_name == class_name}

    @invariant()
    def why_gives_a_way_from_a_root(self) -> None:
        for thing in self.model:
            if not thing.stored:
                continue
            reasons = self.engine.local_datastore.why(self.objects[thing])
            assert {reason.pin for reason in reasons} == {
                name for name, roots in self.roots.items() if thing in self._reached(roots)
            }
            for reason in reasons:
                assert reason.path[-1] == (thing.class_name, thing.object_id)


Pins.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPins = Pins.TestCase


def test_a_stub_of_what_was_never_stored_is_a_cache_miss() -> None:
    with parsekit.open(local_datastore=":memory:"):
        stub = PFObject.without_data("A", "unknown")
        stub.pin()
        try:
            stub.fetch_from_local_datastore()
        except CacheMissError as error:
            assert error.code == 120
        else:
            raise AssertionError
