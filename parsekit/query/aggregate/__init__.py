"""Aggregation pipelines over objects in memory, as MongoDB runs those that Parse Server lets through.

``decode_request`` reads ``/aggregate``'s parameters, ``run_pipeline`` evaluates a pipeline. A *document* is an
object on its way through the stages: a dict of values with the objectId under ``_id``, as MongoDB has it. Conditions
(``$match``) are constraint trees tested by ``matcher``, order is ``ordering``'s and ``values.order_key``'s: nothing
of that is said a second time here.

Not here: where documents come from and who may ask (``engine``), how SQL groups by itself (``storage.grouping``).
"""

from parsekit.query.aggregate.request import AggregateRequest, Stage, check_pipeline, decode_request
from parsekit.query.aggregate.results import parse_object, pointer_field
from parsekit.query.aggregate.stages import run_pipeline, values_of

__all__ = [
    "AggregateRequest",
    "Stage",
    "check_pipeline",
    "decode_request",
    "parse_object",
    "pointer_field",
    "run_pipeline",
    "values_of",
]
