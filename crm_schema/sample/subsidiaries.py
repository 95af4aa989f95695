"""Which account stands below which: the order in which they can be stored, and what makes one impossible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crm_schema.sample.cells import Fault, Names
from crm_schema.sample.rows import Account
from crm_schema.sample.tables import shown


def parents_first(accounts: Iterable[Account]) -> tuple[list[Account], list[Account]]:
    """The accounts ordered so that each comes after its parent, and those for which there is no such place.

    The second list has accounts whose parent is not among the accounts, or that stand below themselves, and
    all that stand below one of those. Within a generation the order is kept.
    """
    placed: dict[str, Account] = {}
    waiting = list(accounts)
    while True:
        ready = [
            account for account in waiting if account.subsidiary_of is None or account.subsidiary_of in placed
        ]
        if not ready:
            return list(placed.values()), waiting
        placed.update((account.name, account) for account in ready)
        waiting = [account for account in waiting if account.name not in placed]


def parent_fault(account: Account, unplaced: Mapping[str, Account], names: Names) -> Fault:
    """Why an account has no place. `unplaced` has all of those by name; `names` knows them as refused."""
    parent = account.subsidiary_of or ""
    above = [parent]
    while (here := unplaced.get(above[-1])) is not None and here.subsidiary_of not in above:
        above.append(here.subsidiary_of or "")
    if account.name in above:
        return Fault(
            f"subsidiary_of {shown(parent)} puts the account below itself",
            "a parent that is no subsidiary of it",
            "correct the name, or empty the cell if the account has no parent",
        )
    return names.unknown("subsidiary_of", parent)
