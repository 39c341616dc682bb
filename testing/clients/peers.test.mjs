/** python-socketio as an emitter and as another server on the same Redis channel. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { signUp } from "../support/api.mjs";
import { Redis } from "../support/redis.mjs";
import { Server } from "../support/server.mjs";
import { until } from "../support/wait.mjs";
import { PYTHON, run } from "./listeners.mjs";

let redis;
let server;

before(async () => {
  redis = await Redis.start();
  server = await Server.start({
    REDIS_URL: redis.url,
    WEBSOCKET_MANAGER: "redis",
    WEBSOCKET_REDIS_CHANNEL: "socketio",
    WEBSOCKET_REDIS_ROOM_CHANNELS: "false",
    ENABLE_CHANNELS: "true",
    ENABLE_OPENAI_API: "false",
    ENABLE_LOCAL_MODEL: "false",
  });
  await until(async () => (await fetch(`${server.url}/ready`)).ok, { what: "the server is ready" });
});

after(async () => {
  try {
    await server?.dispose();
  } finally {
    await redis?.stop();
  }
});

test("python-socketio's emitters and servers exchange events, calls, rooms and disconnects with it", async () => {
  const admin = await signUp(server.url);
  const output = await run(PYTHON, ["python_peer.py", server.url, admin.token, redis.url, "socketio"]);
  for (const part of ["emitter", "events of a peer", "call", "rooms", "events of the server", "disconnect"]) {
    assert.match(output, new RegExp(`^ok ${part}$`, "m"));
  }
});
