"""Parse's REST API and LiveQuery over an engine.

``create_app(engine, app_id=..., master_key=...)`` is an ASGI application (extra ``server``). Below it, requests and
answers are data: ``Dispatcher(engine, ServerOptions(...)).handle(Request(...))`` gives a ``Response`` without any
socket, and the application adds nothing to what an answer says (law L9).
"""

from parsekit.server.app import App, create_app
from parsekit.server.configuration import Configuration, configuration
from parsekit.server.dispatch import Dispatcher
from parsekit.server.options import FileDownload, FileUpload, ServerOptions
from parsekit.server.requests import Call, Request, Response

__all__ = [
    "App",
    "Call",
    "Configuration",
    "Dispatcher",
    "FileDownload",
    "FileUpload",
    "Request",
    "Response",
    "ServerOptions",
    "configuration",
    "create_app",
]
