"""Random users, roles, permissions, objects and queries for the properties of ``parsekit.acl``."""

from hypothesis import strategies as st

from parsekit.acl.principal import Principal
from parsekit.acl.roles import Role
from parsekit.query.ast import And, Constraint, Nor, Or
from parsekit.query.state import OrderKey, QueryState
from parsekit.schema import ClassSchema, Field
from parsekit.values import Pointer

USER_IDS = ["u1", "u2", "u3"]
ROLE_IDS = ["r1", "r2", "r3", "r4"]
ROLE_NAMES = ["A", "B", "C", "D"]
OPERATIONS = ["find", "get", "count", "create", "update", "delete", "addField"]
PLAIN = ["a", "b", "c"]
REFERRING = ["owner", "backup", "team"]

principals = st.one_of(st.just(Principal.anonymous()), st.sampled_from(USER_IDS).map(Principal.user))


def _some(values):
    return st.frozensets(st.sampled_from(values), max_size=len(values))


@st.composite
def _role_graphs(draw):
    count = draw(st.integers(0, len(ROLE_IDS)))
    return [
        Role(ROLE_IDS[i], ROLE_NAMES[i], draw(_some(USER_IDS)), draw(_some(ROLE_IDS))) for i in range(count)
    ]


role_graphs = _role_graphs()

_entities = st.sampled_from(
    ["*", *USER_IDS, *(f"role:{name}" for name in ROLE_NAMES), "requiresAuthentication"]
)
_field_lists = st.lists(st.sampled_from(REFERRING), max_size=2, unique=True)


@st.composite
def _entries(draw):
    entry = dict.fromkeys(draw(st.lists(_entities, max_size=2)), True)
    if draw(st.booleans()):
        entry["pointerFields"] = draw(_field_lists)
    return entry


_groups = st.sampled_from([
    "*", "authenticated", *USER_IDS, *(f"role:{name}" for name in ROLE_NAMES),
    *(f"userField:{key}" for key in REFERRING),
    "userField:gone",
])  # fmt: skip


def protected(fields):
    return st.dictionaries(_groups, st.lists(st.sampled_from(fields), max_size=4, unique=True), max_size=5)


@st.composite
def permissions(draw, fields=tuple(PLAIN + REFERRING)):
    if draw(st.integers(0, 9)) == 0:
        return None
    stated = {op: draw(_entries()) for op in draw(_some(OPERATIONS))}
    for key in ("readUserFields", "writeUserFields"):
        if draw(st.booleans()):
            stated[key] = draw(_field_lists)
    if draw(st.booleans()):
        stated["protectedFields"] = draw(protected(list(fields)))
    return stated


def schema_of(class_name, stated):
    fields = {
        **{key: Field("Number") for key in PLAIN},
        "owner": Field("Pointer", ("_User",)),
        "backup": Field("Pointer", ("_User",)),
        "team": Field("Array"),
    }
    return ClassSchema.new(class_name, fields, permissions=stated)


_pointers = st.builds(Pointer, st.sampled_from(["_User", "_User", "Other"]), st.sampled_from(USER_IDS))
_rights = st.fixed_dictionaries({}, optional={"read": st.booleans(), "write": st.booleans()})
acls = st.none() | st.dictionaries(
    st.sampled_from(["*", *USER_IDS, *(f"role:{name}" for name in ROLE_NAMES)]), _rights, max_size=3
)


@st.composite
def objects(draw, class_name="Doc"):
    fields = {"objectId": draw(st.sampled_from([*USER_IDS, "x1"])), "ACL": draw(acls)}
    for key in PLAIN:
        if draw(st.booleans()):
            fields[key] = draw(st.integers(0, 3))
    for key in ("owner", "backup"):
        if draw(st.booleans()):
            fields[key] = draw(_pointers)
    if draw(st.booleans()):
        fields["team"] = draw(st.lists(_pointers | st.integers(0, 1), max_size=3))
    if class_name == "_User":
        fields.update(email="e", username="n", password="p", sessionToken="r:t", authData={"x": {"id": "1"}})
    return fields


_keys = st.sampled_from([*PLAIN, "owner", "team", "objectId", "a.x", "email", "authData.x.id", "authData"])
_leaves = st.one_of(
    st.builds(Constraint, _keys, st.sampled_from(["$eq", "$ne", "$gt"]), st.integers(0, 3)),
    st.builds(Constraint, _keys, st.just("$exists"), st.booleans()),
    st.builds(Constraint, st.just("objectId"), st.just("$eq"), st.sampled_from([*USER_IDS, "x1"])),
    st.builds(Constraint, st.just("owner"), st.just("$eq"), _pointers),
)
conditions = st.recursive(
    _leaves,
    lambda inner: st.builds(
        lambda kind, children: kind(tuple(children)),
        st.sampled_from([And, Or, Nor]),
        st.lists(inner, max_size=3),
    ),
    max_leaves=6,
)
_orders = st.lists(st.builds(OrderKey, _keys, st.booleans()), max_size=2).map(tuple)


def queries(class_name):
    return st.builds(QueryState, st.just(class_name), conditions, _orders)
