"""Who may: ACLs, class-level permissions, roles, and the one policy that combines them. Pure; no I/O.

``policy`` is the only place that decides. ``acl``, ``roles``, ``clp``, ``protected`` and ``system`` hold
the rules that it combines, each about one thing; ``explain`` tells what it decided, and why.
"""
