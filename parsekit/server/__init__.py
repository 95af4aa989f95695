"""The REST API: requests and answers as data, dispatched to an engine in process.

``Dispatcher(engine, ServerOptions(...)).handle(Request(...))`` gives a ``Response``. The ASGI shell and the LiveQuery
WebSocket wrap this and add nothing to what an answer says (law L9).
"""

from parsekit.server.dispatch import Dispatcher
from parsekit.server.options import FileDownload, FileUpload, ServerOptions
from parsekit.server.requests import Call, Request, Response

__all__ = ["Call", "Dispatcher", "FileDownload", "FileUpload", "Request", "Response", "ServerOptions"]
