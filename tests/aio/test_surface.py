"""Every verb that needs the database has an awaited form; what has none is named here with the reason."""

from __future__ import annotations

from typing import Any, Final

import pytest

from parsekit import PFFile, PFObject, PFQuery, PFRelation, PFRole, PFSession, PFUser
from parsekit.aio import AsyncParseEngine
from parsekit.engine.core import ParseEngine
from parsekit.engine.parts import EngineParts

IN_MEMORY: Final = {
    PFQuery: """add_ascending_order add_descending_order and_ class_name copy exclude_keys from_json
        from_local_datastore from_pin from_state hint ignore_acls include_all include_key limit lint nor or_
        order_by_ascending order_by_descending select_keys skip state to_json under where_key where_key_does_not_exist
        where_key_exists where_related_to""",
    PFObject: """acl add_object add_objects add_unique_object add_unique_objects class_name context created_at
        dirty_keys
        from_json increment_key is_data_available is_data_available_for_key is_dirty is_new keys object_id
        parse_class_name parse_schema perform raw relation remove_object remove_objects revert to_fields_json to_json
        updated_at without_data""",
    PFUser: "current email is_authenticated is_linked_with password session_token username",
    PFRole: "name roles users",
    PFSession: "created_with expires_at installation_id is_restricted session_token user",
    PFRelation: "add_object add_objects key owner query remove_object remove_objects target_class",
    PFFile: "content_type directory from_reference is_dirty metadata name parse_class_name tags url",
    ParseEngine: "",
}
"""What asks no database: it builds a query, or changes or shows an object in memory."""

UNDERNEATH: Final = {
    PFObject: """begin_save from_fields hide local_state refresh_from remember saved saved_plainly
        stored_pointer""",
    PFUser: "take_session",
    PFFile: "keep_as stored",
    ParseEngine: """after_commit aggregate_rows bulk carried_out check_class_exists class_for count_objects
        delete_objects distinct_values explain_find explain_query fetch_objects file find_objects get_object
        on_changes relation save_objects stream_objects view """
    + " ".join(name for name in vars(EngineParts) if not name.startswith("_")),
}
"""What the verbs themselves call; ``engine.sync`` has it."""

ELSEWHERE: Final = {
    PFObject: "fetch_from_local_datastore pin pin_all unpin unpin_all unpin_all_objects",
    PFSession: "current",
    ParseEngine: "local_datastore",
}
"""The local datastore belongs to a device: ``engine.run(obj.pin)``. ``PFSession.current`` is ``current_session``."""


@pytest.mark.parametrize("kind", IN_MEMORY, ids=lambda kind: kind.__name__)
def test_what_has_no_awaited_form_is_known(kind: type[Any]) -> None:
    verbs = _public(AsyncParseEngine)
    inherited = _public(PFObject) if issubclass(kind, PFObject) and kind is not PFObject else set()
    known = {name for reason in (IN_MEMORY, UNDERNEATH, ELSEWHERE) for name in reason.get(kind, "").split()}
    assert _public(kind) - inherited - verbs == known


def _public(kind: type[Any]) -> set[str]:
    """Methods and properties; what an instance gets in ``__init__`` is state."""
    return {name for name in dir(kind) if not name.startswith("_")}
