"""parsekit measured next to other stores, each the way its users write it; docs/benchmarks.md says how to read it.

What is asked, how it is timed, the floor and the engine are in ``parsekit.bench``, which is installed with parsekit;
here are the other peers (``peers``), the runs (``running``), what is made of their results (``report``, ``plot``,
``readme``), and the gate that keeps ratios from slipping (``gate``).
"""
