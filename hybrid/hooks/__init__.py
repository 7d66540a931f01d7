"""The objects that server hooks are called with: they look like gunicorn's, because hooks were written for those."""

from hybrid.hooks.cfg import Cfg
from hybrid.hooks.server import ServerView
from hybrid.hooks.worker import RequestHooks, WorkerView
from hybrid.logs.views import RequestView, ResponseView

__all__ = ["Cfg", "RequestHooks", "RequestView", "ResponseView", "ServerView", "WorkerView"]
