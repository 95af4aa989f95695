"""Objects in and out: Parse JSON, JSON Lines and CSV, whole classes at a time.

=============  ==========================================================================================
form           a file is
=============  ==========================================================================================
``json``       ``{"results": [...]}`` with the objects of one class in REST form, as Parse exports a class
``jsonl``      one object a line in REST form with its ``className``; several classes in one file
``csv``        a header and one object a line; a ``CsvMapping`` says what the columns are
=============  ==========================================================================================

Ids, createdAt, updatedAt, ACLs, pointers and the members of relations are kept, so that an exported file
imports into an equal database; passwords are not exported. ``import_file`` and ``import_objects`` are
idempotent: an object whose id is there already is left as it is. Both need a principal to whom no permission
applies::

    with engine.acting_as_master():
        report = import_file(engine, "Deal.json")

Objects are read and written in batches, in constant memory, and an import of files that was killed goes on after its
last committed batch when it is run again (``files``). What an import asks of an object is said in
``engine.bulk``; the wire form of a value in ``codec``.
"""

from parsekit.interchange.csv_form import CsvColumn, CsvMapping, mapping_from_json
from parsekit.interchange.exporting import export_file, export_rows
from parsekit.interchange.files import import_file, import_files
from parsekit.interchange.importing import import_objects
from parsekit.interchange.records import FORMS, Form, ImportReport, Record, Unreadable, form_of

__all__ = [
    "FORMS",
    "CsvColumn",
    "CsvMapping",
    "Form",
    "ImportReport",
    "Record",
    "Unreadable",
    "export_file",
    "export_rows",
    "form_of",
    "import_file",
    "import_files",
    "import_objects",
    "mapping_from_json",
]
