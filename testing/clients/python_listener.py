"""A python-socketio client that reconnects by itself and prints what happens, one JSON object a line.

    python python_listener.py URL TOKEN [--polling]

Ends when its standard input closes.
"""

import argparse
import asyncio
import json
import sys

import socketio


def say(kind, value):
    print(json.dumps({"kind": kind, "value": value}), flush=True)


async def run(options):
    client = socketio.AsyncClient(reconnection=True, reconnection_delay=0.2, reconnection_delay_max=1)

    @client.event
    async def connect():
        joined = await client.call("user-join", {"auth": {"token": options.token}}, timeout=10)
        say("joined", {"sid": client.get_sid(), "user": joined})

    @client.event
    async def disconnect(reason):
        say("disconnected", str(reason))

    @client.on("events")
    async def events(payload):
        say("events", payload)

    await client.connect(
        options.url,
        socketio_path="/ws/socket.io",
        transports=["polling" if options.polling else "websocket"],
        auth={"token": options.token},
        wait_timeout=10,
    )
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await client.disconnect()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("token")
    parser.add_argument("--polling", action="store_true")
    asyncio.run(run(parser.parse_args()))


main()
