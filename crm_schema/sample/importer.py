"""The sample into a database: all of it, or nothing.

What is wrong with a row is found by `reader` before anything is written, so the rows decide here: by default
one row that cannot be read refuses the import. Importing again changes nothing, because the objects have ids
of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from crm_schema.sample.objects import object_stream
from crm_schema.sample.rows import PipelineData
from crm_schema.sample.tables import SampleDataError
from parsekit import ParseEngine
from parsekit.interchange import ImportReport, Record, import_objects

__all__ = ["check_complete", "import_pipeline"]


def check_complete(data: PipelineData) -> None:
    """Refuse data of which rows are missing because they could not be read.

    Raises:
        SampleDataError: every refused row with its line and the reason.
    """
    if data.report.refusals:
        raise SampleDataError(map(str, data.report.refusals))


def import_pipeline(
    engine: ParseEngine, data: PipelineData, *, progress: Callable[[int], None] | None = None
) -> ImportReport:
    """Create the objects of the sample that the database does not hold; the others stay as they are.

    The classes must be there: open the engine with `crm_schema.SAMPLE_SCHEMA`.

    Args:
        engine: the engine to write to.
        data: what `reader.read_pipeline` read.
        progress: called after each batch with the number of objects handled so far.

    Raises:
        StorageError: the database cannot be written; it is as it was before.
        RefusedInputError: the database holds other objects under the same usernames; it is as it was before.
    """
    records = (Record(class_name, entry) for class_name, entry in object_stream(data))
    # SAFETY: an import sets ids, which is the master's to do, and ends with this block.
    with engine.acting_as_master(), engine.transaction():
        return import_objects(engine, records, source="sample", progress=progress)
