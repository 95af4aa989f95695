"""Threads and processes on one file: no lost update, no deadlock, no error but a bounded busy."""

import json
import random
import subprocess
import sys
import threading

import pytest

import parsekit
from parsekit import PFACL, ClassSchema, Field, PFObject, PFQuery, Schema
from parsekit.errors import ObjectNotFoundError

SCHEMA = Schema(
    [ClassSchema.new("Counter", {"n": Field("Number"), "tags": Field("Array"), "by": Field("Number")})]
)
AMOUNTS = [
    pytest.param(2, 4, 15, id="short"),
    pytest.param(8, 4, 500, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(1800)]),
]


def work(engine, ids, seed, rounds):
    """A mixed load; what it added to each counter, the tags it left there, and how many objects it left behind."""
    lot = random.Random(seed)
    added = dict.fromkeys(ids, 0)
    tags = {name: [] for name in ids}
    left = 0
    with engine.acting_as_master():
        for number in range(rounds):
            target = PFObject.without_data("Counter", lot.choice(ids))
            choice = lot.random()
            own = tags[target.object_id]
            if choice < 0.4:
                target.increment_key("n", number)
                lot.choice([target.add_unique_object, target.add_object])(f"{seed}-{number}", for_key="tags")
                target.save()
                added[target.object_id] += number
                own.append(f"{seed}-{number}")
            elif choice < 0.5 and own:
                target.remove_object(own.pop(lot.randrange(len(own))), for_key="tags")
                target.save()
            elif choice < 0.7:
                assert PFQuery("Counter").where_key_exists("tags").count() <= len(ids)
                for obj in PFQuery("Counter").order_by_descending("n").find():
                    assert obj["n"] >= 0
            elif choice < 0.9:
                with engine.transaction():
                    made = PFObject("Made", by=seed, number=number)
                    made.save()
                    target.increment_key("by")
                    target.save()
                left += 1
                if lot.random() < 0.3:
                    made.delete()
                    left -= 1
            else:
                made = PFObject(f"Class{lot.randrange(6)}")
                made[f"field{lot.randrange(6)}"] = number
                made.acl = PFACL.from_json({f"user{lot.randrange(50)}": {"read": True}})
                made.save()
                found = PFQuery(made.class_name).get(made.object_id)
                assert found.acl == made.acl
    return added, tags, left


def in_threads(engine, ids, seed, threads, rounds):
    """``work`` in several threads; what they added together."""
    results, errors = [], []

    def run(number):
        try:
            results.append(work(engine, ids, seed * 100 + number, rounds))
        except BaseException as error:
            errors.append(error)
            raise

    workers = [threading.Thread(target=run, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    added = {name: sum(result[0][name] for result in results) for name in ids}
    tags = {name: [tag for result in results for tag in result[1][name]] for name in ids}
    return added, tags, sum(left for _, _, left in results)


def main():
    path, seed, threads, rounds, *ids = sys.argv[1:]
    with parsekit.open(path, busy_timeout_s=120) as engine:
        print(json.dumps(in_threads(engine, ids, int(seed), int(threads), int(rounds))))


@pytest.mark.parametrize(("threads", "processes", "rounds"), AMOUNTS)
def test_no_update_is_lost(tmp_path, threads, processes, rounds):
    """So many processes, this one among them, each with so many threads."""
    path = tmp_path / "a.db"
    with parsekit.open(path, schema=SCHEMA, busy_timeout_s=120) as engine:
        counters = [PFObject("Counter", n=0, by=0) for _ in range(3)]
        PFObject.save_all(counters)
        ids = [counter.object_id for counter in counters]
        command = [sys.executable, "-m", "tests.test_concurrency", str(path)]
        others = [
            subprocess.Popen(
                [*command, str(number), str(threads), str(rounds), *ids], stdout=subprocess.PIPE, text=True
            )
            for number in range(1, processes)
        ]
        totals = [in_threads(engine, ids, 0, threads, rounds)]
        for other in others:
            totals.append(json.loads(other.communicate()[0]))
            assert other.returncode == 0
        with engine.acting_as_master():
            for name in ids:
                counter = PFQuery("Counter").get(name)
                assert counter["n"] == sum(added[name] for added, _, _ in totals)
                left = [tag for _, tags, _ in totals for tag in tags[name]]
                assert sorted(counter.get("tags") or []) == sorted(left)
            assert PFQuery("Made").count() == sum(left for _, _, left in totals)
        assert engine.check() == []


class Other:
    """An engine on the same file in another process, which does as it is told."""

    SCRIPT = (
        "import sys, parsekit\n"
        "from parsekit import *\n"
        "with parsekit.open(sys.argv[1]) as engine, engine.acting_as_master():\n"
        "    print('ready', flush=True)\n"
        "    for line in sys.stdin:\n"
        "        exec(line)\n"
        "        print('done', flush=True)\n"
    )

    def __init__(self, path):
        command = [sys.executable, "-c", self.SCRIPT, str(path)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def run(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def test_changes_of_another_process_are_noticed(tmp_path):
    path = tmp_path / "a.db"
    with parsekit.open(path) as engine, Other(path) as other:
        PFObject("Note", title="mine").save()
        assert PFQuery("Note").count() == 1
        other.run("PFObject('Note', title='theirs', extra=1).save()")
        assert PFQuery("Note").where_key("extra", equal_to=1).count() == 1
        note = PFObject("Note", title="again", extra=2)
        note.save()
        assert PFQuery("Note").get(note.object_id)["extra"] == 2
        other.run(f"n = PFQuery('Note').get('{note.object_id}'); n.acl = PFACL.from_json({{}}); n.save()")
        with pytest.raises(ObjectNotFoundError):
            PFQuery("Note").get(note.object_id)
        note["title"] = "not mine any more"
        with pytest.raises(ObjectNotFoundError):
            note.save()
        assert PFQuery("Note").count() == 2
        other.run("PFObject('Theirs', n=1).save()")
        assert PFQuery("Theirs").count() == 1
        other.run("engine.schema_edits.alter('Note', {'extra': {'__op': 'Delete'}}, None, None)")
        assert "extra" not in PFQuery("Note").first()
        assert engine.check() == []


def test_a_role_given_by_another_process_is_noticed(tmp_path):
    path = tmp_path / "a.db"
    with parsekit.open(path) as engine, Other(path) as other:
        ada = parsekit.PFUser.sign_up("ada", password="a-long-password")
        with engine.acting_as_master():
            secret = PFObject("Note")
            secret.acl = PFACL.from_json({"role:Staff": {"read": True}})
            secret.save()
        with engine.acting_as(ada):
            assert PFQuery("Note").count() == 0
            other.run("role = PFRole(name='Staff'); role.acl = PFACL(); role.save()")
            assert PFQuery("Note").count() == 0
            other.run(
                f"role.relation('users').add_object(PFUser.without_data('{ada.object_id}')); role.save()"
            )
            assert PFQuery("Note").count() == 1
            other.run("role.delete()")
            assert PFQuery("Note").count() == 0


def test_readers_do_not_wait_for_a_writer(tmp_path):
    with parsekit.open(tmp_path / "a.db") as engine:
        PFObject("Note", n=1).save()
        counts = []
        with engine.transaction():
            PFObject("Note", n=2).save()
            reader = threading.Thread(target=lambda: counts.append(_count(engine)))
            reader.start()
            reader.join(timeout=60)
            assert counts == [1]
            assert PFQuery("Note").count() == 2
        assert PFQuery("Note").count() == 2


def _count(engine):
    with engine.acting_as_master():
        return PFQuery("Note").count()


if __name__ == "__main__":
    main()
