"""Everybody in a room hears what one says."""

from __future__ import annotations

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        self.room = "room_" + self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()
        await self.channel_layer.group_send(self.room, {"type": "chat.message", "text": "somebody came"})

    async def receive_json(self, content: dict[str, str]) -> None:
        await self.channel_layer.group_send(self.room, {"type": "chat.message", "text": content["text"]})

    async def disconnect(self, code: int) -> None:
        await self.channel_layer.group_send(self.room, {"type": "chat.message", "text": f"somebody left: {code}"})
        await self.channel_layer.group_discard(self.room, self.channel_name)

    async def chat_message(self, event: dict[str, str]) -> None:
        await self.send_json({"text": event["text"]})
