"""A page that says who you are, and the room's socket."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from chat.consumers import ChatConsumer

PAGE = """<!doctype html><title>Chat</title><ul></ul><form><input autofocus></form><script>
const socket = new WebSocket(location.href.replace(/^http/, "ws") + "rooms/lobby/");
socket.onmessage = event => document.querySelector("ul").append(
    Object.assign(document.createElement("li"), {textContent: JSON.parse(event.data).text}));
document.querySelector("form").onsubmit = event => {
    const input = document.querySelector("input");
    socket.send(JSON.stringify({text: input.value})), input.value = "", event.preventDefault();
};
</script>"""


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse(PAGE)


urlpatterns = [path("", index)]
websocket_urlpatterns = [path("rooms/<slug:room>/", ChatConsumer.as_asgi())]
