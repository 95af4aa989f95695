"""``acl explain``: why somebody may or may not do something, or what a query hides from them."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from parsekit import ParseEngine, PFObject, Principal
from parsekit._context import current_binding
from parsekit.cli.output import print_json
from parsekit.cli.queries import query_of
from parsekit.cli.session import AsJson, Database, UsageError, Who, check_class, open_database, user_named

__all__ = ["register"]

Question = Literal["find", "get", "count", "create", "update", "delete", "addField"]
_NOBODY = Who()


def register(app: App) -> None:
    """Add the command."""
    group = App(name="acl", help="Ask why somebody may or may not do something.")
    group.command(explain)
    app.command(group)


def explain(
    database: Database,
    class_name: Annotated[str, Parameter(help="The class.")],
    object_id: Annotated[
        str | None, Parameter(help="An object; without one, what a find hides is told to the master.")
    ] = None,
    /,
    *,
    operation: Annotated[
        Question | None, Parameter(help="What is to be done; get of an object and find unless given.")
    ] = None,
    username: Annotated[
        str | None,
        Parameter(
            name="--for", help="The user it is about, else whom the command runs as; of --as-master, nobody."
        ),
    ] = None,
    where: Annotated[str | None, Parameter(help="Of a find: its conditions as JSON.")] = None,
    who: Who = _NOBODY,
    as_json: AsJson = False,
) -> None:
    """Print which rules let somebody in or keep them out: class, pointers, ACL, roles."""
    if object_id is None and operation not in (None, "find", "create"):
        raise UsageError(f"--operation {operation}: is about one object; give its objectId.")
    if object_id is not None and where is not None:
        raise UsageError("--where: is about a find; leave the objectId out.")
    asks_for_find = object_id is None and operation != "create"
    if asks_for_find and not who.as_master:
        raise UsageError("acl explain: how much a find hides is told to the master only; add --as-master.")
    with open_database(database, who) as engine:
        check_class(engine, class_name)
        principal = _principal(engine, username)
        told: Any
        if asks_for_find:
            told = engine.explain_find(query_of(class_name, where).state(), principal)
        else:
            obj = PFObject(class_name) if object_id is None else PFObject.without_data(class_name, object_id)
            told = engine.explain_access(obj, principal, operation or "get")
    if as_json:
        print_json(told.to_json())
    else:
        sys.stdout.write(f"{told}\n")


def _principal(engine: ParseEngine, username: str | None) -> PFObject | Principal:
    """Whom the question is about. Nobody asks what a master may do, so a master asks about nobody in particular."""
    if username is None:
        asking = current_binding().principal
        # SAFETY: chooses whom to speak of; what is told is decided by who asks.
        return Principal.anonymous() if asking.bypasses_permissions else asking
    user: PFObject = user_named(engine, username, "--for")
    return user
