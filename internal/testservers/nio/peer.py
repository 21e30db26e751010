"""A person on Matrix at a client of its own, made with matrix-nio.

Started as `peer.py STORE`, STORE being an empty folder for keys. Each line on
standard input is a command, {"id": 1, "do": "say", ...}; it is answered by
{"id": 1, "done": ...} or {"id": 1, "error": "..."}, in order. Whatever happens
in rooms is told as it comes, {"event": {...}}. The end of standard input is the
end of the peer.
"""

import asyncio
import base64
import io
import json
import logging
import sys

from nio import (
    AsyncClient,
    AsyncClientConfig,
    ErrorResponse,
    ForwardedRoomKeyEvent,
    MegolmEvent,
    RoomKeyEvent,
    RoomPreset,
    SyncResponse,
)
from nio.crypto import decrypt_attachment

# A room may say a lot between two syncs, and none of it is to be left out.
FILTER = {"room": {"timeline": {"limit": 1000}}}


def tell(line):
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def described(room_id, event, sealed):
    """One event of a room, as it is told."""
    source = event.source
    content = source.get("content") or {}
    relation = content.get("m.relates_to") or {}
    told = {
        "room": room_id,
        "id": source.get("event_id", ""),
        "sender": source.get("sender", ""),
        "kind": content.get("msgtype") or source.get("type", ""),
        "body": content.get("body", ""),
        "sealed": sealed,
    }
    if relation.get("rel_type") == "m.thread":
        told["thread"] = relation.get("event_id", "")
    elif relation.get("rel_type") == "m.replace":
        new = content.get("m.new_content") or {}
        told.update(kind="edit", target=relation.get("event_id", ""), body=new.get("body", ""))
    elif relation.get("rel_type") == "m.annotation":
        told.update(target=relation.get("event_id", ""), body=relation.get("key", ""))
    if source.get("type") == "m.room.redaction":
        told["target"] = source.get("redacts") or content.get("redacts", "")
    if source.get("type") == "m.room.member":
        told.update(target=source.get("state_key", ""), body=content.get("membership", ""))
    if content.get("msgtype") in ("m.file", "m.image", "m.audio", "m.video"):
        told["file"] = content.get("file") or {"url": content.get("url", "")}
    return told


class Peer:
    def __init__(self, store):
        self.store = store
        self.client = None
        self.loop = None
        self.unread = []  # messages whose keys have not come
        self.synced = asyncio.Condition()

    async def login(self, server, user, password):
        config = AsyncClientConfig(
            encryption_enabled=True, pickle_key="peer",
            # Nobody waits a minute for a server that is back.
            backoff_factor=0.05, max_timeout_retry_wait_time=0.2,
        )
        self.client = AsyncClient(server, user, store_path=self.store, config=config)
        must(await self.client.login(password, device_name="nio"))
        self.client.add_event_callback(self.heard, None)
        self.client.add_to_device_callback(self.keys_came, (RoomKeyEvent, ForwardedRoomKeyEvent))
        self.client.add_response_callback(self.woken, SyncResponse)
        if self.client.should_upload_keys:
            must(await self.client.keys_upload())
        self.loop = asyncio.ensure_future(
            self.client.sync_forever(timeout=30000, sync_filter=FILTER, full_state=True)
        )
        self.loop.add_done_callback(self.stopped)
        async with self.synced:
            await self.synced.wait_for(lambda: self.client.next_batch)
        return {"user": self.client.user_id, "device": self.client.device_id}

    def stopped(self, loop):
        if not loop.cancelled():
            tell({"broken": "sync ended: %r" % (loop.exception(),)})

    async def woken(self, _response):
        async with self.synced:
            self.synced.notify_all()

    async def heard(self, room, event):
        if isinstance(event, MegolmEvent):
            self.unread.append((room, event))
            tell({"event": {**described(room.room_id, event, True), "kind": "unreadable"}})
            return
        tell({"event": described(room.room_id, event, getattr(event, "decrypted", False))})

    async def keys_came(self, _event):
        waiting, self.unread = self.unread, []
        for room, event in waiting:
            clear = self.client.olm._decrypt_megolm_no_error(event, room.room_id)
            if clear:
                tell({"event": described(room.room_id, clear, True)})
            else:
                self.unread.append((room, event))

    async def create(self, invite, encrypted, public, direct):
        state = []
        if encrypted:
            state.append({"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}})
        preset = RoomPreset.public_chat if public else RoomPreset.private_chat
        made = must(await self.client.room_create(preset=preset, invite=invite, initial_state=state, is_direct=direct))
        await self.know(made.room_id)
        return made.room_id

    async def join(self, room):
        must(await self.client.join(room))
        await self.know(room)

    async def know(self, room):
        async with self.synced:
            await self.synced.wait_for(lambda: room in self.client.rooms)

    async def send(self, room, kind, content):
        await self.know(room)
        # Somebody has come or has a new device, and nio has not asked for the
        # keys yet.
        if self.client.should_query_keys:
            must(await self.client.keys_query())
        sent = must(await self.client.room_send(room, kind, content, ignore_unverified_devices=True))
        return sent.event_id

    async def say(self, room, text, thread=""):
        return await self.send(room, "m.room.message", related({"msgtype": "m.text", "body": text}, thread))

    async def edit(self, room, target, text):
        return await self.send(room, "m.room.message", {
            "msgtype": "m.text", "body": "* " + text,
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        })

    async def redact(self, room, target):
        return must(await self.client.room_redact(room, target)).event_id

    async def react(self, room, target, key):
        return await self.send(room, "m.reaction", {
            "m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key},
        })

    async def upload(self, room, name, data, thread=""):
        data = base64.b64decode(data)
        sealed = self.client.rooms[room].encrypted
        up, keys = await self.client.upload(
            lambda *_: io.BytesIO(data), content_type="application/octet-stream",
            filename=name, encrypt=sealed, filesize=len(data),
        )
        must(up)
        content = {"msgtype": "m.file", "body": name, "info": {"size": len(data), "mimetype": "application/octet-stream"}}
        if sealed:
            content["file"] = {**keys, "url": up.content_uri}
        else:
            content["url"] = up.content_uri
        return await self.send(room, "m.room.message", related(content, thread))

    async def download(self, file):
        # This nio knows only the older endpoint, without authentication.
        path = "/_matrix/client/v1/media/download/" + file["url"].removeprefix("mxc://")
        got = await self.client.send("GET", path, headers={"Authorization": "Bearer " + self.client.access_token})
        data = await got.read()
        if got.status != 200:
            raise RuntimeError("%s: %d %r" % (path, got.status, data))
        if "key" in file:
            data = decrypt_attachment(data, file["key"]["k"], file["hashes"]["sha256"], file["iv"])
        return base64.b64encode(data).decode()

    async def logout(self):
        self.loop.remove_done_callback(self.stopped)
        self.loop.cancel()
        must(await self.client.logout())

    async def close(self):
        if self.client:
            await self.client.close()


def related(content, thread):
    if thread:
        content["m.relates_to"] = {
            "rel_type": "m.thread", "event_id": thread,
            "is_falling_back": True, "m.in_reply_to": {"event_id": thread},
        }
    return content


def must(response):
    if isinstance(response, ErrorResponse):
        raise RuntimeError(str(response))
    return response


async def main():
    # nio logs to standard output otherwise.
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR)
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    peer = Peer(sys.argv[1])
    commands = {f.__name__: f for f in (
        peer.login, peer.create, peer.join, peer.say, peer.edit, peer.redact,
        peer.react, peer.upload, peer.download, peer.logout,
    )}
    while line := await lines.readline():
        command = json.loads(line)
        number = command.pop("id")
        try:
            done = await commands[command.pop("do")](**command)
        except Exception as e:  # whatever it is, the test is told
            tell({"id": number, "error": repr(e)})
        else:
            tell({"id": number, "done": done})
    await peer.close()


asyncio.run(main())
