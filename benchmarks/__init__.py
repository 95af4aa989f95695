"""Pipeline queries on a CRM, measured: parsekit against hand-written SQL on raw apsw, on the reader's own machine.

``data`` makes the same CRM at any scale from a seed, ``floor`` and ``engine`` are two peers with one interface,
``python -m benchmarks`` runs them in turn and prints medians and ratios. Answers are compared before times are.
"""
