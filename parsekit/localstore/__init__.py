"""The local datastore: pinned objects in a file of their own, queried without a server.

``datastore`` is the store itself (pins, what follows saves), ``reading`` answers queries, ``live`` tells subscribers.
"""

from parsekit.localstore.datastore import Kept, LocalDatastore, Pin, Surroundings

__all__ = ["Kept", "LocalDatastore", "Pin", "Surroundings"]
