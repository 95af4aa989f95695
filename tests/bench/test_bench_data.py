"""The CRM is a function of its size and seed: pinned by a digest, streamed, and of the promised shares."""

from __future__ import annotations

import hashlib
import itertools
import json
import random

from parsekit.bench.data import STAGES, Crm


def digest(crm: Crm) -> str:
    found = hashlib.sha256()
    for rows in (crm.company_rows(), crm.contact_rows(), crm.deal_rows(), crm.activity_rows(), crm.acls()):
        for row in rows:
            found.update(json.dumps(row, default=str).encode())
    return found.hexdigest()


def test_a_seed_gives_the_same_rows_on_every_machine():
    assert digest(Crm(1_000)) == "30b2763f20ee92abebd5dd65dd0a3e3818db7c4702cb8cd9c50d3ea573c0daf3"


def test_another_seed_gives_other_rows():
    assert digest(Crm(200)) == digest(Crm(200)) != digest(Crm(200, seed=2))


def test_rows_are_made_one_by_one():
    first = list(itertools.islice(Crm(10**9).deal_rows(), 3))
    assert [row["objectId"] for row in first] == ["d00000000", "d00000001", "d00000002"]


def test_the_numbers_are_in_proportion():
    crm = Crm(1_000)
    rows = (crm.company_rows(), crm.contact_rows(), crm.deal_rows(), crm.activity_rows())
    assert [sum(1 for _ in each) for each in rows] == [20, 100, 1_000, 2_000]
    assert [crm.companies, crm.contacts, crm.deals, crm.activities] == [20, 100, 1_000, 2_000]
    assert {row["stage"] for row in crm.deal_rows()} == set(STAGES)


def test_a_user_may_read_about_a_sixth():
    crm = Crm(2_000)
    acls = crm.acls()
    shares = []
    for user in range(20):
        names = set(crm.principals_of(user))
        readable = [bool(names & acl.keys()) for acl in acls]
        shares.append(sum(readable[row["acl"]] for row in crm.deal_rows()) / crm.deals)
    assert 0.12 < sum(shares) / len(shares) < 0.25


def test_new_deals_are_none_of_the_old_ones():
    crm = Crm(50)
    fresh = crm.new_deal_rows(random.Random(5), 7, 3)
    assert [row["objectId"] for row in fresh] == ["n00000007", "n00000008", "n00000009"]
    assert fresh[0].keys() == next(crm.deal_rows()).keys()
