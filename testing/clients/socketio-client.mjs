// The official JavaScript client against a running server. Exits with 1 at the first failed expectation.
//
//   node socketio-client.mjs URL [--token TOKEN] [--polling] [--echo]
//
// Without a token only what an anonymous client may do is tried. --echo adds the events of the example
// server `cargo run -p antiphon-realtime --example echo`.
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { io } from "socket.io-client";

const LIMIT = 10_000;
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { token: { type: "string" }, polling: { type: "boolean" }, echo: { type: "boolean" } },
});
const [url] = positionals;
assert(url, "usage: node socketio-client.mjs URL [--token TOKEN] [--polling] [--echo]");
const transport = options.polling ? "polling" : "websocket";
const open = [];

function socket(auth, more = {}) {
  const made = io(url, {
    path: "/ws/socket.io",
    transports: [transport],
    auth,
    reconnection: false,
    forceNew: true,
    ...more,
  });
  open.push(made);
  return made;
}

function once(emitter, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event} within ${LIMIT} ms`)), LIMIT);
    // Of two things waited for, only one happens; the other must not keep the process.
    timer.unref();
    emitter.once(event, (...values) => {
      clearTimeout(timer);
      resolve(values);
    });
  });
}

async function connected(auth, more) {
  const made = socket(auth, more);
  await Promise.race([
    once(made, "connect"),
    once(made, "connect_error").then(([error]) => {
      throw error;
    }),
  ]);
  return made;
}

async function refusesOtherTransport() {
  const other = options.polling ? "websocket" : "polling";
  const made = socket({}, { transports: [other] });
  const [error] = await once(made, "connect_error");
  assert.equal(error.type, "TransportError");
}

async function refusesOtherNamespaces() {
  const made = io(`${url}/elsewhere`, { path: "/ws/socket.io", transports: [transport], reconnection: false, forceNew: true });
  open.push(made);
  const [error] = await once(made, "connect_error");
  assert(error instanceof Error);
}

async function anonymous() {
  const made = await connected({});
  assert.equal(made.id.length, 20);
  assert.notEqual(made.id, made.io.engine.id, "the socket's id is not the engine's");
  assert.equal(made.io.engine.transport.name, transport);
  const answer = await made.timeout(LIMIT).emitWithAck("user-join", { auth: { token: "bad token" } });
  assert(answer === undefined || answer === null, "a bad token gets an empty answer");
  assert(made.connected);
  made.disconnect();
}

async function user() {
  const made = await connected({ token: options.token });
  const joined = await made.timeout(LIMIT).emitWithAck("user-join", { auth: { token: options.token } });
  assert(joined?.id && joined?.name, `user-join gave ${JSON.stringify(joined)}`);
  made.emit("heartbeat", {});
  // Comes after the heartbeat was handled: the events of a socket are handled in order.
  const again = await made.timeout(LIMIT).emitWithAck("user-join", { auth: { token: options.token } });
  assert.deepEqual(again, joined);
  assert(made.connected, "a heartbeat of a known user keeps the socket");
  made.disconnect();
}

/// `user-join` sent with the very first packets must not be lost.
async function joinsAtOnce() {
  const made = socket({ token: options.token });
  const answer = new Promise((resolve) => made.emit("user-join", { auth: { token: options.token } }, resolve));
  const joined = await Promise.race([answer, once(made, "connect_error").then(([error]) => Promise.reject(error))]);
  assert(joined?.id);
  made.disconnect();
}

async function echo() {
  const made = await connected({ token: "somebody" });
  const values = [1, "zwei 🎈", { drei: [null, true, 1.5] }];
  assert.deepEqual(await made.timeout(LIMIT).emitWithAck("echo", ...values), values);
  const event = once(made, "echo");
  made.emit("echo", ...values);
  assert.deepEqual(await event, [values]);

  const bytes = await made.timeout(LIMIT).emitWithAck("echo", { data: new Uint8Array([1, 2, 255]) }, Buffer.from([7]));
  assert.deepEqual(bytes, [{ data: [1, 2, 255] }, [7]], "attachments become numbers");

  made.on("question", (question, answer) => answer({ heard: question }, "and more"));
  assert.deepEqual(await made.timeout(LIMIT).emitWithAck("call", "who?"), [{ heard: "who?" }, "and more"]);

  const other = await connected({ token: "other" });
  const heard = once(other, "said");
  made.emit("say", { text: "hello" });
  assert.deepEqual(await heard, [{ text: "hello" }]);

  const large = "x".repeat(1_000_000);
  assert.deepEqual(await made.timeout(LIMIT).emitWithAck("echo", large), [large]);

  const order = [];
  const all = new Promise((resolve) => {
    other.on("said", ({ number }) => {
      order.push(number);
      if (order.length === 500) resolve();
    });
  });
  for (let number = 0; number < 500; number += 1) made.emit("say", { number });
  await all;
  assert.deepEqual(order, [...Array(500).keys()], "in order, none lost");

  const reason = once(made, "disconnect");
  made.emit("bye");
  assert.equal((await reason)[0], "io server disconnect");
  other.disconnect();
}

const checks = [refusesOtherTransport, refusesOtherNamespaces, anonymous];
if (options.token) checks.push(user, joinsAtOnce);
if (options.echo) checks.push(echo);
try {
  for (const check of checks) {
    await check();
    console.log(`ok ${check.name}`);
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  open.forEach((made) => made.disconnect());
}
