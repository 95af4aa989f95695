"""A slow model of Parse's permissions, written from the prose of parse_server.md (A2, A3, S13 to S17,
section 14).

It knows nothing of the policy: it takes permissions as JSON, asks one object and one field at a time, and
never builds a condition. It imports only values.
"""

from parsekit.values import Pointer

READS = ("find", "get", "count")


def oracle_roles(roles, user_id):
    """A3, as a fixed point over all roles instead of a walk."""
    held = {role.object_id for role in roles if user_id in role.user_ids}
    for _ in roles:
        held |= {role.object_id for role in roles if any(child in held for child in role.role_ids)}
    return {role.name for role in roles if role.object_id in held}


def names(user_id, roles):
    """The principals that an ACL or a CLP may mean this caller by."""
    found = ["*"]
    if user_id is not None:
        found.append(user_id)
        found += [f"role:{name}" for name in oracle_roles(roles, user_id)]
    return found


def mentions(value, user_id):
    """A Pointer to the user, or an Array that holds one."""
    items = value if isinstance(value, list) else [value]
    return any(item == Pointer("_User", user_id) for item in items)


def class_verdict(permissions, operation, user_id, roles, during="update"):
    """S13: ``"yes"``, ``"no"`` (119), ``"login"`` (101), or the list of fields of which one must mention
    the user."""
    if permissions is None:
        return "yes"
    entry = permissions.get(operation, {})
    for name in names(user_id, roles):
        if entry.get(name):
            return "yes"
    group = permissions.get("readUserFields" if operation in READS else "writeUserFields", [])
    pointers = list(entry.get("pointerFields", [])) + list(group)
    meets_objects = operation != "create" and not (operation == "addField" and during == "create")
    if entry.get("requiresAuthentication"):
        if user_id is None:
            return "login"
        return pointers if pointers and meets_objects else "yes"
    if operation == "create":
        return "no"
    if operation == "addField" and during == "create":
        return "yes" if group else "no"
    return pointers or "no"


def may(permissions, operation, user_id, roles, fields):
    """Whether the caller reaches this one object: the class says yes, and the ACL does."""
    verdict = class_verdict(permissions, operation, user_id, roles)
    if verdict in ("no", "login"):
        return False
    if verdict != "yes" and (
        user_id is None or not any(mentions(fields.get(field), user_id) for field in verdict)
    ):
        return False
    if operation == "create":
        return True
    acl = fields.get("ACL")
    right = "read" if operation in READS else "write"
    return acl is None or any(acl.get(name, {}).get(right) for name in names(user_id, roles))


def shows(class_name, permissions, defaults, user_id, roles, *, fields, field):
    """S16: whether the caller sees one field of an object that it may read."""
    own = class_name == "_User" and user_id is not None and fields.get("objectId") == user_id
    if class_name == "_User" and field in ("password", "sessionToken"):
        return False
    if own:
        return True
    if class_name == "_User" and field == "authData":
        return False
    protected = dict((permissions or {}).get("protectedFields", {}))
    for group, keys in defaults.get(class_name, {}).items():
        protected[group] = [*protected.get(group, []), *keys]
    groups = names(user_id, roles)
    if user_id is not None:
        groups.append("authenticated")
    applying = [protected[group] for group in groups if group in protected]
    if not applying:
        return True
    if user_id is not None:
        applying += [
            keys
            for group, keys in protected.items()
            if group.startswith("userField:") and mentions(fields.get(group[len("userField:") :]), user_id)
        ]
    return not all(field in keys for keys in applying)
