"""What a process that is going to be killed does: it pins graphs of which each is whole or not at all there.

``python -m tests.localstore.pin_work FILE``: pins deal after deal, each with a company and three contacts of its own,
says ``n`` once pin ``n`` is committed, and now and then unpins an earlier one (``-n``).
"""

from __future__ import annotations

import os
import sys

import parsekit
from parsekit import PFObject

PARTS = 3


def graph(number: int) -> PFObject:
    contacts = [PFObject("Contact", of=number, part=part) for part in range(PARTS)]
    company = PFObject("Company", of=number, contacts=contacts)
    return PFObject("Deal", of=number, company=company, filler="x" * 2_000)


def main() -> None:
    with parsekit.open_local_datastore(sys.argv[1]):
        pinned: dict[int, PFObject] = {}
        for number in range(100_000):
            pinned[number] = graph(number)
            pinned[number].pin(f"p{number % 5}")
            os.write(1, f"{number}\n".encode())
            if number % 3 == 2:
                pinned.pop(number - 1).unpin(f"p{(number - 1) % 5}")
                os.write(1, f"-{number - 1}\n".encode())


if __name__ == "__main__":
    main()
