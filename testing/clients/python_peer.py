"""python-socketio as another member of the fleet. Exits with 1 at the first failed expectation.

    python python_peer.py URL TOKEN REDIS_URL CHANNEL

URL is a server with WEBSOCKET_REDIS_CHANNEL=CHANNEL at that Redis, ENABLE_CHANNELS and WEBSOCKET_REDIS_ROOM_CHANNELS=false:
python-socketio has no channels of rooms.
"""

import asyncio
import sys
import traceback

import aiohttp
import socketio
from aiohttp import web

LIMIT = 10


class Heard:
    """What a client hears, in order."""

    def __init__(self, client):
        self.events = []
        self.changed = asyncio.Event()
        client.on("*", self.take)

    async def take(self, name, *arguments):
        self.events.append((name, *arguments))
        self.changed.set()
        if name == "question":
            return "an answer", {"to": arguments[0]}
        return None

    async def until(self, condition):
        async def wait():
            while not condition(self.events):
                self.changed.clear()
                await self.changed.wait()

        try:
            await asyncio.wait_for(wait(), LIMIT)
        except TimeoutError:
            raise AssertionError(f"not heard; heard {self.events}") from None

    async def event(self, *event):
        await self.until(lambda events: event in events)


async def run(url, token, redis_url, channel):
    client = socketio.AsyncClient(reconnection=False)
    heard = Heard(client)
    await client.connect(url, socketio_path="/ws/socket.io", transports=["websocket"], auth={"token": token})
    user = await client.call("user-join", {"auth": {"token": token}}, timeout=LIMIT)
    room = f"user:{user['id']}"
    sid = client.get_sid()

    # An emitter without server.
    emitter = socketio.AsyncRedisManager(redis_url, channel=channel, write_only=True)
    await emitter.emit("one", {"é": [1, None]}, room=room)
    await emitter.emit("everybody", ("several", 2))
    await emitter.emit("bytes", {"data": b"\x01\x02\xff"}, room=sid)
    await emitter.emit("not for it", 1, room=room, skip_sid=sid)
    await emitter.emit("rooms", 1, room=[room, sid])
    await heard.event("rooms", 1)
    expected = [
        ("one", {"é": [1, None]}),
        ("everybody", "several", 2),
        ("bytes", {"data": b"\x01\x02\xff"}),
        ("rooms", 1),
    ]
    of_emitter = [event for event in heard.events if event[0] not in ("events", "antiphon:resync")]
    assert of_emitter == expected, of_emitter
    print("ok emitter")

    # A server with sockets of its own.
    manager = socketio.AsyncRedisManager(redis_url, channel=channel)
    peer = socketio.AsyncServer(async_mode="aiohttp", client_manager=manager)

    @peer.event
    async def connect(its_sid, environ, auth):
        await peer.enter_room(its_sid, room)

    application = web.Application()
    peer.attach(application)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    its_client = socketio.AsyncClient(reconnection=False)
    its_heard = Heard(its_client)
    await its_client.connect(f"http://127.0.0.1:{port}", transports=["websocket"])

    await peer.emit("from the peer", 1, room=room)
    await heard.event("from the peer", 1)
    await its_heard.event("from the peer", 1)
    print("ok events of a peer")

    answer = await peer.call("question", "who?", to=sid, timeout=LIMIT)
    assert answer == ("an answer", {"to": "who?"}) or answer == ["an answer", {"to": "who?"}], answer
    print("ok call")

    await peer.enter_room(sid, "special")
    await peer.emit("special", 1, room="special")
    await heard.event("special", 1)
    await peer.leave_room(sid, "special")
    await peer.emit("special", 2, room="special")
    await peer.emit("after", 2, room=sid)
    await heard.event("after", 2)
    assert ("special", 2) not in heard.events
    print("ok rooms")

    # What the server tells its users, a peer's socket in the same room hears.
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as http:
        form = {"type": "group", "name": "both", "user_ids": []}
        async with http.post(f"{url}/api/v1/channels/create", json=form) as response:
            assert response.status == 200, await response.text()
    created = lambda events: any(
        event[0] == "events:channel" and event[1].get("data", {}).get("type") == "channel:created" for event in events
    )
    await heard.until(created)
    await its_heard.until(created)
    print("ok events of the server")

    gone = asyncio.Event()
    client.on("disconnect", lambda reason: gone.set())
    await peer.disconnect(sid)
    await asyncio.wait_for(gone.wait(), LIMIT)
    print("ok disconnect")
    await its_client.disconnect()
    await runner.cleanup()


async def main():
    try:
        await asyncio.wait_for(run(*sys.argv[1:]), 6 * LIMIT)
    except Exception:
        traceback.print_exc()
        sys.exit(1)
    # The manager's listening task has no end of its own.
    sys.exit(0)


asyncio.run(main())
