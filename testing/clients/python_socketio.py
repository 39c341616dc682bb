"""The python-socketio client against a running server. Exits with 1 at the first failed expectation.

    python python_socketio.py URL [--token TOKEN] [--polling] [--echo]

Without a token only what an anonymous client may do is tried. --echo adds the events of the example
server `cargo run -p antiphon-realtime --example echo`.
"""

import argparse
import asyncio
import sys
import traceback

import socketio

LIMIT = 10


class Checks:
    def __init__(self, options):
        self.url = options.url
        self.token = options.token
        self.transport = "polling" if options.polling else "websocket"

    async def connect(self, auth, namespaces=("/",), transport=None):
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(
            self.url,
            socketio_path="/ws/socket.io",
            transports=[transport or self.transport],
            auth=auth,
            namespaces=list(namespaces),
            wait_timeout=LIMIT,
        )
        return client

    async def refused(self, **arguments):
        try:
            client = await self.connect({}, **arguments)
        except socketio.exceptions.ConnectionError:
            return
        await client.disconnect()
        raise AssertionError(f"{arguments} should have been refused")

    async def refuses_other_transport(self):
        await self.refused(transport="websocket" if self.transport == "polling" else "polling")

    async def refuses_other_namespaces(self):
        await self.refused(namespaces=["/elsewhere"])

    async def anonymous(self):
        client = await self.connect({})
        assert len(client.get_sid()) == 20
        assert client.get_sid() != client.eio.sid, "the socket's id is not the engine's"
        answer = await client.call("user-join", {"auth": {"token": "bad token"}}, timeout=LIMIT)
        assert answer in (None, ()), f"a bad token gets an empty answer, not {answer}"
        assert client.connected
        await client.disconnect()

    async def user(self):
        client = await self.connect({"token": self.token})
        joined = await client.call("user-join", {"auth": {"token": self.token}}, timeout=LIMIT)
        assert joined["id"] and joined["name"], joined
        await client.emit("heartbeat", {})
        again = await client.call("user-join", {"auth": {"token": self.token}}, timeout=LIMIT)
        assert again == joined
        assert client.connected, "a heartbeat of a known user keeps the socket"
        await client.disconnect()

    async def echo(self):
        client = await self.connect({"token": "somebody"})
        values = [1, "zwei 🎈", {"drei": [None, True, 1.5]}]
        assert await client.call("echo", tuple(values), timeout=LIMIT) == values
        answer = await client.call("echo", ({"data": bytes([1, 2, 255])}, b"\x07"), timeout=LIMIT)
        assert answer == [{"data": [1, 2, 255]}, [7]], answer

        client.on("question", lambda question: ({"heard": question}, "and more"))
        assert await client.call("call", "who?", timeout=LIMIT) == [{"heard": "who?"}, "and more"]

        other = await self.connect({"token": "other"})
        heard, everything = [], asyncio.Event()

        def said(payload):
            heard.append(payload["number"])
            if len(heard) == 500:
                everything.set()

        other.on("said", said)
        for number in range(500):
            await client.emit("say", {"number": number})
        await asyncio.wait_for(everything.wait(), LIMIT)
        # This client starts a task for each event, so only the set is certain here.
        assert sorted(heard) == list(range(500)), "none lost, none doubled"

        gone = asyncio.Event()
        client.on("disconnect", lambda reason: gone.set())
        await client.emit("bye")
        await asyncio.wait_for(gone.wait(), LIMIT)
        await client.disconnect()
        await other.disconnect()


async def run(options):
    checks = Checks(options)
    names = ["refuses_other_transport", "refuses_other_namespaces", "anonymous"]
    names += ["user"] if options.token else []
    names += ["echo"] if options.echo else []
    for name in names:
        await asyncio.wait_for(getattr(checks, name)(), 6 * LIMIT)
        print(f"ok {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--token")
    parser.add_argument("--polling", action="store_true")
    parser.add_argument("--echo", action="store_true")
    try:
        asyncio.run(run(parser.parse_args()))
    except Exception:
        traceback.print_exc()
        sys.exit(1)


main()
