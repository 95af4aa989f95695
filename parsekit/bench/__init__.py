"""A CRM pipeline measured against SQLite itself: what ``parsekit bench`` and the project's ``benchmarks/`` share.

``data`` makes the same CRM at any scale from a seed. ``peer`` is what a store offers to take part; ``floor`` (SQL
by hand on raw apsw) and ``engine`` (parsekit's public API) are the two peers of every run. ``workloads`` says what is
asked, ``measure`` asks the peers in turn and compares their answers before their times, ``statistics`` makes paired
ratios with an interval of them, ``result`` is the run as a value and as JSON.

Nothing of the engine imports this package. The floor is the one place outside ``storage`` where SQL is written: it
is what the engine is measured against, and no part of it.
"""
