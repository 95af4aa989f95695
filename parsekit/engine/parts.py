"""The parts of an engine that not every program uses: each is imported and made with its first use.

What stands between a program's start and its first answer is measured (``docs/performance.md``, "A second start"), so
a program that only reads imports nothing of what writes, logs in or calls hooks.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from parsekit._lazily import Part

if TYPE_CHECKING:
    from parsekit.auth import Accounts
    from parsekit.engine.aggregation import Aggregation
    from parsekit.engine.config import GlobalConfig
    from parsekit.engine.core import ParseEngine
    from parsekit.engine.direct import DirectWrites
    from parsekit.engine.filing import Filing
    from parsekit.engine.find_hooks import FindHooks
    from parsekit.engine.hooks import EngineHooks
    from parsekit.engine.idempotency import Idempotency
    from parsekit.engine.infer import Inference
    from parsekit.engine.jobs import Jobs
    from parsekit.engine.live import LiveQueries
    from parsekit.engine.matching import DialectReads
    from parsekit.engine.plain_writes import PlainSaves
    from parsekit.engine.push import Push
    from parsekit.engine.saving import Saving
    from parsekit.engine.schema_edits import SchemaEdits
    from parsekit.engine.upkeep import Upkeep
    from parsekit.engine.webhooks import Webhooks
    from parsekit.engine.write import ClassRules, WritePath
    from parsekit.file import FileStore

__all__ = ["EngineParts"]


def _accounts(engine: ParseEngine) -> Accounts:
    """Users who come and go."""
    from parsekit.auth.accounts import Accounts

    options = engine.options
    return Accounts(engine, options.auth, enforce_private_users=options.enforce_private_users)


def _aggregation(engine: ParseEngine) -> Aggregation:
    """Aggregates and distinct values."""
    from parsekit.engine.aggregation import Aggregation

    return Aggregation(engine)


def _config(engine: ParseEngine) -> GlobalConfig:
    """The parameters that clients may ask for."""
    from parsekit.engine.config import GlobalConfig

    return GlobalConfig(engine)


def _dialects(engine: ParseEngine) -> DialectReads:
    """Queries under another dialect than the store's own."""
    from parsekit.engine.matching import DialectReads

    return DialectReads(engine)


def _direct(engine: ParseEngine) -> DirectWrites:
    """Changes of one object by its id."""
    from parsekit.engine.direct import DirectWrites

    return DirectWrites(engine)


def _files(engine: ParseEngine) -> FileStore:
    """Where the bytes of files are."""
    if engine.options.files is not None:
        return engine.options.files
    from parsekit.engine.attachments import FilesInDatabase

    return FilesInDatabase(engine.store)


def _filing(engine: ParseEngine) -> Filing:
    """Files with their hooks."""
    from parsekit.engine.filing import Filing

    return Filing(engine)


def _finds(engine: ParseEngine) -> FindHooks:
    """Queries with cloud code around them."""
    from parsekit.engine.find_hooks import FindHooks

    return FindHooks(engine, engine.cloud)


def _hooks(engine: ParseEngine) -> EngineHooks:
    """Cloud code around writes, functions and subscriptions."""
    from parsekit.engine.hooks import EngineHooks

    return EngineHooks(engine, engine.cloud)


def _idempotency(engine: ParseEngine) -> Idempotency:
    """Requests that are answered once."""
    from parsekit.engine.idempotency import Idempotency

    return Idempotency(engine)


def _inference(engine: ParseEngine) -> Inference:
    """Classes and fields that come into being with what is saved."""
    from parsekit.engine.infer import Inference

    return Inference(engine.store, allow_class_creation=engine.options.allow_client_class_creation)


def _jobs(engine: ParseEngine) -> Jobs:
    """Jobs under way."""
    from parsekit.engine.jobs import Jobs

    return Jobs(engine)


def _live(engine: ParseEngine) -> LiveQueries:
    """Subscriptions."""
    from parsekit.engine.live import LiveQueries

    return LiveQueries(engine, shared=engine._is_shared)


def _plain_saves(engine: ParseEngine) -> PlainSaves:
    """The short way of most saves."""
    from parsekit.engine.plain_writes import PlainSaves

    return PlainSaves(engine)


def _push(engine: ParseEngine) -> Push:
    """Push notifications."""
    from parsekit.engine.push import Push

    return Push(engine)


def _rules(engine: ParseEngine) -> dict[str, ClassRules]:
    """What system classes add to writes."""
    return engine.accounts.rules()


def _saving(engine: ParseEngine) -> Saving:
    """Graphs of objects, saved and fetched."""
    from parsekit.engine.saving import Saving

    return Saving(engine)


def _schema_edits(engine: ParseEngine) -> SchemaEdits:
    """Changes of classes, as the REST schemas API makes them."""
    from parsekit.engine.schema_edits import SchemaEdits

    return SchemaEdits(engine)


def _upkeep(engine: ParseEngine) -> Upkeep:
    """Check, backup, compaction."""
    from parsekit.engine.upkeep import Upkeep

    return Upkeep(engine)


def _webhooks(engine: ParseEngine) -> Webhooks:
    """Hooks that are URLs."""
    from parsekit.engine.webhooks import Webhooks

    return Webhooks(engine)


def _writes(engine: ParseEngine) -> WritePath:
    """The way of a change."""
    from parsekit.engine.installations import InstallationRules
    from parsekit.engine.write import WritePath

    options = engine.options
    writes = WritePath(
        engine.store,
        clock=options.clock,
        new_id=options.new_id,
        rules=engine.rules,
        publish=engine.outbox.publish,
        keep_journal=options.journal,
        inference=engine.inference,
        max_nesting=options.max_nesting,
    )
    writes.redirects["_Installation"] = InstallationRules(engine)
    writes.hooks = engine.hooks
    return writes


class EngineParts:
    """What ``ParseEngine`` has by these names."""

    parts_lock: threading.RLock

    accounts = Part(_accounts)
    aggregation = Part(_aggregation)
    config = Part(_config)
    dialects = Part(_dialects)
    direct = Part(_direct)
    files = Part(_files)
    filing = Part(_filing)
    finds = Part(_finds)
    hooks = Part(_hooks)
    idempotency = Part(_idempotency)
    inference = Part(_inference)
    jobs = Part(_jobs)
    live = Part(_live)
    plain_saves = Part(_plain_saves)
    push = Part(_push)
    rules = Part(_rules)
    saving = Part(_saving)
    schema_edits = Part(_schema_edits)
    upkeep = Part(_upkeep)
    webhooks = Part(_webhooks)
    writes = Part(_writes)
