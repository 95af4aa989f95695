"""Jobs: cloud code that a master starts and that reports how far it is in a ``_JobStatus`` (parse_server.md C12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, final

from parsekit import attrs
from parsekit.acl.principal import Principal
from parsekit.cloud import JobRequest
from parsekit.errors import OperationForbiddenError, ParseError, ParsekitError, ScriptError
from parsekit.operations import OperationSet, Set
from parsekit.values import Value

if TYPE_CHECKING:
    from parsekit.engine.core import ParseEngine

__all__ = ["Jobs", "StartedJob"]


@final
@attrs.frozen(slots=True)
class StartedJob:
    """A job with its status entry, on its way."""

    job_id: str
    name: str
    params: Mapping[str, Value]
    principal: Principal


@final
class Jobs:
    """Runs the jobs of an engine."""

    def __init__(self, engine: ParseEngine) -> None:
        self._engine = engine

    def run(self, name: str, params: Mapping[str, Value], principal: Principal) -> str:
        """Run a job to its end, in this thread; the objectId of its ``_JobStatus``, which says how it ended.

        Raises:
            OperationForbiddenError: 119, not a master.
            ScriptError: 141, there is no such job.
        """
        started = self.start(name, params, principal)
        self.carry_out(started)
        return started.job_id

    def start(self, name: str, params: Mapping[str, Value], principal: Principal) -> StartedJob:
        """Enter a job as running; ``carry_out`` runs it. Raises what ``run`` raises."""
        # SAFETY: jobs run without limits, so only a master starts them.
        if not principal.bypasses_permissions:
            raise OperationForbiddenError("Permission denied", hint="unauthorized: master key is required")
        if not self._engine.cloud.has_job(name):
            raise ScriptError("Invalid job.")
        fields = {"jobName": name, "params": dict(params), "status": "running", "source": "api"}
        answer = self._engine.direct.create("_JobStatus", _sets(fields), principal)
        return StartedJob(answer.object_id, name, params, principal)

    def carry_out(self, started: StartedJob) -> None:
        """Run a started job and enter how it ended; what it raised is in the status entry."""
        engine = self._engine

        def message(text: str) -> None:
            self._note(started, {"message": text})

        request = JobRequest(
            caller=engine.hooks.caller(started.principal),
            trigger_name="job",
            job_id=started.job_id,
            params=dict(started.params),
            message=message,
        )
        ended: dict[str, Value]
        try:
            with engine.acting_as(started.principal):
                result = engine.cloud.run_job(started.name, request)
        except ParsekitError as error:
            text = error.message if isinstance(error, ParseError) else str(error)
            ended = {"status": "failed", "message": text, "finishedAt": engine.options.clock()}
            self._note(started, ended)
            return
        ended = {"status": "succeeded", "finishedAt": engine.options.clock()}
        if isinstance(result, str):
            ended["message"] = result
        self._note(started, ended)

    def _note(self, started: StartedJob, fields: Mapping[str, Value]) -> None:
        self._engine.direct.update("_JobStatus", started.job_id, _sets(fields), started.principal)


def _sets(fields: Mapping[str, Value]) -> OperationSet:
    operations = OperationSet()
    for key, value in fields.items():
        operations.perform(key, Set(value))
    return operations
