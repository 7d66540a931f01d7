"""`hybrid --chdir examples/channels_chat chat.asgi:application`"""

from __future__ import annotations

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chat.settings")
django = get_asgi_application()  # before anything that uses Django's applications is imported

from chat.urls import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {"http": django, "websocket": AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns))}
)
