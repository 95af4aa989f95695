"""What a process that is going to be killed does: random writes, each announced before and acknowledged after.

Run as a program it is a nursery: for each line ``path seed`` on standard input it forks a process that opens the
database and writes until it is killed, and says ``. gone`` when it is. Lines ``> operation`` (about to begin) and
``<`` (is committed) come from that process. Imports are paid for once.
"""

import json
import os
import random
import sys
from itertools import count

import parsekit
from parsekit import PFQuery
from parsekit.acl.principal import Principal
from parsekit.operations import AddRelation, Delete, Increment, OperationSet, Set
from parsekit.values import PFGeoPoint, Pointer

MASTER = Principal.master()


def choose(lot, ids, number):
    """The next operation, as JSON."""
    kind = lot.choices(
        ["create", "pair", "update", "delete", "field", "relate", "compact"], [6, 2, 6, 2, 1, 2, 0.2]
    )[0]
    some = lot.choice(ids) if ids else None
    if kind in ("create", "pair", "field") or some is None:
        names = [f"o{number}a", f"o{number}b"] if kind == "pair" else [f"o{number}"]
        fields = {"n": lot.randrange(100), "text": "words " * lot.randrange(200)}
        if kind == "field":
            fields[f"f{lot.randrange(40)}"] = lot.randrange(9)
        return {"kind": "create", "ids": names, "fields": fields, "private": lot.random() < 0.3}
    if kind == "update":
        return {"kind": "update", "id": some, "by": lot.randrange(1, 9), "drop": lot.random() < 0.2}
    if kind == "relate":
        return {"kind": "relate", "id": some, "member": lot.choice(ids)}
    return {"kind": kind, "id": some}


def _operations(given):
    operations = OperationSet()
    for key, operation in given.items():
        operations.perform(key, operation)
    return operations


def perform(engine, work):
    """Do it to the database."""
    kind = work["kind"]
    if kind == "create":
        given = {key: Set(value) for key, value in work["fields"].items()}
        given["place"] = Set(PFGeoPoint(work["fields"]["n"] / 2, 0))
        if work["private"]:
            given["ACL"] = Set({work["ids"][0]: {"read": True}})
        with engine.transaction():
            for name in work["ids"]:
                engine.direct.create("Thing", _operations(given), MASTER, object_id=name)
    elif kind == "update":
        given = {"n": Increment(work["by"])}
        if work["drop"]:
            given["text"] = Delete()
        engine.direct.update("Thing", work["id"], _operations(given), MASTER)
    elif kind == "relate":
        given = {"others": AddRelation((Pointer("Thing", work["member"]),))}
        engine.direct.update("Thing", work["id"], _operations(given), MASTER)
    elif kind == "delete":
        engine.direct.delete("Thing", work["id"], MASTER)
    else:
        engine.compact()


def imagine(model, work):
    """The model after the same operation: objectId -> (fields, members of the relation)."""
    model = {name: (dict(fields), set(members)) for name, (fields, members) in model.items()}
    kind = work["kind"]
    if kind == "create":
        for name in work["ids"]:
            model[name] = (dict(work["fields"]), set())
    elif kind == "update":
        fields = model[work["id"]][0]
        fields["n"] += work["by"]
        if work["drop"]:
            fields.pop("text", None)
    elif kind == "relate":
        model[work["id"]][1].add(work["member"])
    elif kind == "delete":
        del model[work["id"]]
    return model


def found(engine):
    """What the database holds, in the form of the model."""
    if "Thing" not in engine.schema:
        return {}
    model = {}
    with engine.acting_as_master():
        for obj in PFQuery("Thing").limit(100_000).find():
            keys = [key for key in obj.keys() if key not in ("place", "ACL", "others")]  # noqa: SIM118
            members = {member.object_id for member in obj.relation("others").query().limit(1000).find()}
            model[obj.object_id] = ({key: obj[key] for key in keys}, members)
    return model


def write_until_killed(path, seed):
    lot = random.Random(seed)
    with parsekit.open(path) as engine:
        ids = sorted(found(engine))
        for number in count():
            work = choose(lot, ids, f"{seed}x{number}")
            os.write(1, f"> {json.dumps(work)}\n".encode())
            perform(engine, work)
            os.write(1, b"<\n")
            if work["kind"] == "create":
                ids += work["ids"]
            elif work["kind"] == "delete":
                ids.remove(work["id"])


def main():
    for line in sys.stdin:
        path, seed = line.split()
        child = os.fork()
        if not child:
            write_until_killed(path, int(seed))
        os.write(1, f". {child}\n".encode())
        os.waitpid(child, 0)
        os.write(1, b". gone\n")


if __name__ == "__main__":
    main()
