"""The peers beyond the floor and the engine: one module each, all with the interface ``parsekit.bench.peer.Peer``.

``registry`` knows them by name. The SQL peers (``sqlalchemy_core``, ``sqlalchemy_orm``, ``peewee_orm``, ``django_orm``,
``sqlite_utils_dicts``) work on equal copies of one file with the floor's tables and indexes, dates as the ORMs write
them (``tables``). ``mongomock_memory`` and ``tinydb_memory`` live in memory; ``parse_mockdb`` is a Node process,
``parse_server`` a Parse Server on PostgreSQL over loopback.
"""
