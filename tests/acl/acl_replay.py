"""Replays recorded scenarios on dicts, with nothing but ``parsekit.acl`` to say who may.

It is no engine: values are stored as they come, conditions are the few that permission scenarios use, and a
step that fails for another reason than a permission is not replayed.
"""

from acl_evaluation import holds

from parsekit.acl.clp import default_object_acl, render_permissions, validate_permissions
from parsekit.acl.guard import check_query_fields, check_relation_key, guard_query, read_operation
from parsekit.acl.policy import authorize, visible
from parsekit.acl.principal import Principal
from parsekit.acl.roles import Role, RoleGraph, check_role_create
from parsekit.acl.system import (
    check_session_write,
    check_user_write,
    missing_object,
    user_acl_on_create,
    user_acl_on_update,
)
from parsekit.codec import decode_value
from parsekit.errors import ParseError
from parsekit.query.ast import ALWAYS, And, Constraint, Or, RelatedTo
from parsekit.query.state import OrderKey, QueryState
from parsekit.schema import ClassSchema, default_fields, field_for_value
from parsekit.schema_json import class_from_json
from parsekit.values import Pointer

PERMISSION_CODES = {101, 105, 111, 119, 206, 209}
ALIASES = {"users": "_User", "roles": "_Role", "sessions": "_Session"}
ALWAYS_SHOWN = {"objectId", "createdAt", "updatedAt", "ACL"}
NOT_REPLAYED = {"createdAt", "updatedAt", "sessionToken"}


class NotReplayedError(Exception):
    """The step does something that this replay has no part in."""


def _leaf(key, value):
    if key == "$relatedTo":
        return Constraint("", "$relatedTo", RelatedTo(decode_value(value["object"]), value["key"]))
    if isinstance(value, dict) and value.keys() <= {"$gt", "$exists"}:
        return And(tuple(Constraint(key, op, argument) for op, argument in value.items()))
    if isinstance(value, dict) and "__type" not in value:
        raise NotReplayedError(key)
    return Constraint(key, "$eq", decode_value(value))


def condition(where):
    """The tree of a simple ``where``."""
    parts = [
        Or(tuple(map(condition, value))) if key == "$or" else _leaf(key, value)
        for key, value in where.items()
    ]
    return parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else ALWAYS


class Replay:
    """One application, empty at first but for the system classes."""

    def __init__(self):
        self.schemas = {name: ClassSchema.new(name) for name in ("_User", "_Role", "_Session")}
        self.objects = {}
        self.relations = {}
        self.principals = {"anonymous": Principal.anonymous(), "master": Principal.master()}

    def step(self, step):
        """The answer of one step: results, counts, or the error's code. ``NotReplayedError`` if it is
        another's affair."""
        parts = step["path"].strip("/").split("/")
        principal = self.principals[step["as"]]
        body = step.get("body") or {}
        if parts[0] == "logout":
            del self.principals[step["as"]]
        if parts[0] == "schemas":
            if step["status"] >= 400:
                raise NotReplayedError("what a schema may say is the engine's affair")
            return self._make_class(parts[1], body) if step["method"] == "POST" else self._show(parts[1])
        if parts[0] == "classes":
            parts = parts[1:]
        elif parts[0] not in ALIASES or parts[1:] == ["me"]:
            raise NotReplayedError(step["path"])
        class_name = ALIASES.get(parts[0], parts[0])
        object_id = parts[1] if len(parts) > 1 else None
        if step["method"] == "GET":
            return self._read(class_name, object_id, step.get("params") or {}, principal)
        if step["method"] == "POST":
            return self._create(class_name, body, principal, step)
        if step["method"] == "PUT":
            return self._update(class_name, object_id, body, principal)
        return self._delete(class_name, object_id, principal)

    # --- schemas and roles ---

    def _make_class(self, name, body):
        problems = []
        self.schemas[name] = item = class_from_json(
            {"className": name, "fields": body.get("fields", {})}, name, problems
        )
        assert not problems
        permissions = validate_permissions(body.get("classLevelPermissions"), item)
        self.schemas[name] = ClassSchema(name, item.fields, (), permissions)
        return self._show(name)

    def _show(self, name):
        if name not in self.schemas:
            raise NotReplayedError(name)
        return {"classLevelPermissions": render_permissions(self.schemas[name])}

    def _roles(self, principal):
        roles = [
            Role(
                object_id,
                fields["name"],
                self.relations.get(("_Role", object_id, "users"), ()),
                self.relations.get(("_Role", object_id, "roles"), ()),
            )
            for object_id, fields in self.objects.get("_Role", {}).items()
        ]
        return RoleGraph(roles).names_of(principal.user_id) if principal.user_id else frozenset()

    def _authorize(self, class_name, operation, principal, during="update"):
        schema = self.schemas.get(class_name)
        return authorize(schema, class_name, operation, principal, self._roles(principal), during=during)

    # --- reads ---

    def _matches(self, state, access, principal):
        def may_traverse(related):
            owner_class = related.owner.class_name
            names = self._roles(principal)
            check_relation_key(self.schemas.get(owner_class), related, principal, names)
            owner = self.objects.get(owner_class, {}).get(related.owner.object_id, {})
            try:
                limits = self._authorize(owner_class, "get", principal)
            except ParseError:
                return False
            return bool(owner) and holds(limits.constrain(ALWAYS), owner, principal, names)

        guarded = guard_query(state, principal, lambda _: access, may_traverse)
        rows = self.objects.get(state.class_name, {}).values()
        return [
            row
            for row in rows
            if holds(self._resolved(guarded.where), row, principal, self._roles(principal))
        ]

    def _resolved(self, node):
        if isinstance(node, Constraint) and node.op == "$relatedTo":
            owner = node.argument.owner
            members = self.relations.get((owner.class_name, owner.object_id, node.argument.key), ())
            return Or(tuple(Constraint("objectId", "$eq", member) for member in members))
        if isinstance(node, And | Or):
            return type(node)(tuple(map(self._resolved, node.children)))
        return node

    def _read(self, class_name, object_id, params, principal):
        where = condition({"objectId": object_id} if object_id else params.get("where", {}))
        order = tuple(OrderKey(key.lstrip("-")) for key in params.get("order", "").split(",") if key)
        state = QueryState(class_name, where, order)
        answer = {}
        access = None
        if params.get("limit") != 0 or not params.get("count"):
            access = self._authorize(class_name, "get" if object_id else read_operation(state), principal)
            found = self._matches(state, access, principal)
            found.sort(key=lambda row: row["objectId"] if params.get("order") == "objectId" else "")
            answer["results"] = [
                self._shown(row, access, principal, params) for row in found[: params.get("limit")]
            ]
        if params.get("count"):
            access = self._authorize(class_name, "count", principal)
            answer["count"] = len(self._matches(state, access, principal))
        check_query_fields(state, access, principal)
        if object_id is None:
            return answer
        if not answer["results"]:
            raise missing_object(class_name, "get", principal)
        return answer["results"][0]

    def _shown(self, row, access, principal, params):
        keys = params.get("keys")
        wanted = None if keys is None else {*keys.split(","), *ALWAYS_SHOWN}
        shown = visible(row, access, principal)
        for key in filter(None, params.get("include", "").split(",")):
            if "." in key:
                raise NotReplayedError(key)
            self._include(shown, key, principal)
        return {key: value for key, value in shown.items() if wanted is None or key in wanted}

    def _include(self, shown, key, principal):
        value = shown.get(key)
        if not isinstance(value, Pointer):
            raise NotReplayedError(key)
        access = self._authorize(value.class_name, "get", principal)
        row = self.objects.get(value.class_name, {}).get(value.object_id)
        if row is None or not holds(access.constrain(ALWAYS), row, principal, self._roles(principal)):
            del shown[key]
        else:
            shown[key] = visible(row, access.as_included(), principal)

    # --- writes ---

    def _new_fields(self, class_name, body):
        schema = self.schemas.get(class_name)
        known = default_fields(class_name) if schema is None else schema.fields
        return [key for key, value in body.items() if key not in known and not _is_op(value, "Delete")]

    def _learn(self, class_name, body):
        schema = self.schemas.get(class_name) or ClassSchema.new(class_name)
        fresh = {
            key: field_for_value(decode_value(body[key]))
            for key in self._new_fields(class_name, body)
            if not _is_op(body[key])
        }
        self.schemas[class_name] = schema.with_fields({key: field for key, field in fresh.items() if field})

    def _apply(self, class_name, object_id, body):
        row = self.objects.setdefault(class_name, {}).setdefault(object_id, {"objectId": object_id})
        for key, value in body.items():
            if _is_op(value, "AddRelation") or _is_op(value, "RemoveRelation"):
                members = self.relations.setdefault((class_name, object_id, key), set())
                ids = {pointer["objectId"] for pointer in value["objects"]}
                members.update(ids) if value["__op"] == "AddRelation" else members.difference_update(ids)
            elif _is_op(value, "Delete"):
                row.pop(key, None)
            elif _is_op(value):
                row[key] = value
            elif key != "ACL":
                row[key] = decode_value(value)

    def _create(self, class_name, body, principal, step):
        if class_name == "_Session":
            check_session_write(body, principal, creating=True)
        if self._new_fields(class_name, body):
            self._authorize(class_name, "addField", principal, "create")
        if class_name == "_Role":
            check_role_create(body)
        self._authorize(class_name, "create", principal)
        if class_name == "_Session" or step["status"] >= 400:
            raise NotReplayedError("sessions are made by the engine; uniqueness is the engine's")
        object_id = body.get("objectId") or step["response"]["objectId"]
        acl = body.get("ACL")
        if acl is None:
            acl = default_object_acl(self.schemas.get(class_name), principal)
        if class_name == "_User":
            acl = user_acl_on_create(acl, object_id)
            body = {key: value for key, value in body.items() if key != "password"}
        self._learn(class_name, body)
        self._apply(class_name, object_id, body)
        if acl is not None:
            self.objects[class_name][object_id]["ACL"] = acl
        if "login" in step:
            self.principals[step["login"]] = Principal.user(object_id)
        return {}

    def _update(self, class_name, object_id, body, principal):
        if class_name == "_Session":
            check_session_write(body, principal, creating=False)
        if class_name == "_User":
            check_user_write(body, principal)
        limits = [self._authorize(class_name, "update", principal)] if class_name == "_User" else []
        if self._new_fields(class_name, body):
            limits.append(self._authorize(class_name, "addField", principal))
        limits.append(self._authorize(class_name, "update", principal))
        row = self._writable(class_name, object_id, "update", limits, principal)
        self._learn(class_name, body)
        self._apply(class_name, object_id, body)
        if body.get("ACL") is not None:
            acl = {} if _is_op(body["ACL"]) else body["ACL"]
            row["ACL"] = user_acl_on_update(acl, object_id, principal) if class_name == "_User" else acl
        return {}

    def _delete(self, class_name, object_id, principal):
        limits = [self._authorize(class_name, "delete", principal)]
        self._writable(class_name, object_id, "delete", limits, principal)
        del self.objects[class_name][object_id]
        return {}

    def _writable(self, class_name, object_id, operation, limits, principal):
        row = self.objects.get(class_name, {}).get(object_id)
        names = self._roles(principal)
        if row is None or not all(holds(limit.constrain(ALWAYS), row, principal, names) for limit in limits):
            raise missing_object(class_name, operation, principal)
        return row


def _is_op(value, name=None):
    return isinstance(value, dict) and "__op" in value and name in (None, value["__op"])
