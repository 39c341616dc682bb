/** What has to hold for every client on one transport. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { addUser, Api, signIn, signUp } from "../support/api.mjs";
import { answerOf, FOLLOW_UPS, Provider, TAGS } from "../support/provider.mjs";
import { Server } from "../support/server.mjs";
import { until } from "../support/wait.mjs";
import { JavaScriptListener, PYTHON, PythonListener, question, run } from "./listeners.mjs";

/** Time within which a socket whose token was revoked has to be closed. */
const CLOSED_WITHIN = 1000;

export function clientTests({ polling }) {
  const transport = polling ? "polling" : "websocket";
  const clients = { "socket.io-client": JavaScriptListener, "python-socketio": PythonListener };
  let provider;
  let server;
  let admin;
  const open = [];

  before(async () => {
    provider = await Provider.start();
    server = await Server.start({
      ...provider.environment,
      BYPASS_MODEL_ACCESS_CONTROL: "true",
      ENABLE_WEBSOCKET_SUPPORT: String(!polling),
    });
    admin = await signUp(server.url);
  });

  after(async () => {
    for (const listener of open) await listener.close();
    try {
      await server?.dispose();
    } finally {
      await provider?.stop();
    }
  });

  function listen(Client, session, options) {
    const listener = new Client(server.url, session.token, { polling, ...options });
    open.push(listener);
    return listener;
  }

  test(`the configuration names the transport: ${transport}`, async () => {
    const { features } = await new Api(server.url).ok("GET", "/api/config");
    assert.equal(features.enable_websocket, !polling);
  });

  for (const [program, script] of [[process.execPath, "socketio-client.mjs"], [PYTHON, "python_socketio.py"]]) {
    test(`${script} over ${transport}`, async () => {
      const output = await run(program, [script, server.url, "--token", admin.token, ...(polling ? ["--polling"] : [])]);
      assert.match(output, /ok user$/m);
      if (polling) return;
      // The other transport is refused with words, not with silence.
      const refused = await fetch(`${server.url}/ws/socket.io/?EIO=4&transport=polling`);
      assert.deepEqual([refused.status, await refused.json()], [400, "Invalid transport"]);
    });
  }

  for (const [name, Client] of Object.entries(clients)) {
    test(`${name} over ${transport} gets a reply as deltas, in the order of the contract`, async () => {
      const session = await addUser(server.url, admin);
      const listener = listen(Client, session);
      const { sid, user } = await listener.joined();
      assert.deepEqual(user, { id: session.id, name: session.name });
      const api = new Api(server.url, session.token);
      const asked = question(session, sid, "Contract [[tokens=200 hold=100 reasoning=3 usage]]");
      const { status, chat_id, task_ids } = await api.ok("POST", "/api/chat/completions", asked.body);
      assert.equal(status, true);
      assert.equal(task_ids.length, 1);
      // What the provider has sent so far arrives while it stands still.
      const request = await provider.held("Contract");
      const written = () => listener.about(asked.assistant).map(({ data }) => (data?.type === "response.output_text.delta" ? data.delta : "")).join("");
      await until(() => written() === answerOf(100), { what: "the first half" });
      request.release();
      const types = () => listener.of("events").map(({ value }) => value.data.type);
      const ended = (record) => record.value.data.type === "chat:active" && record.value.data.data.active === false;
      await until(() => listener.of("events").some(ended), { what: "the end of the reply" });

      const events = listener.about(asked.assistant);
      const deltas = events.filter(({ type, data }) => type === "response:completion" && data.type === "response.output_text.delta");
      assert.equal(deltas.map(({ data }) => data.delta).join(""), answerOf(200));
      assert(deltas.length > 1, "in more than one piece");
      const reasoning = events.filter(({ data }) => data?.type === "response.reasoning_text.delta");
      assert.equal(reasoning.map(({ data }) => data.delta).join(""), "thought1 thought2 thought3");
      const done = events.find(({ type, data }) => type === "chat:completion" && data.done === true);
      const text = done.data.output.filter(({ type }) => type === "message").flatMap(({ content }) => content.map((part) => part.text));
      assert.deepEqual(text, [answerOf(200)]);
      assert(events.some(({ type, data }) => type === "chat:completion" && data.usage?.completion_tokens === 200), "the usage");
      // Deltas only: what came is a small multiple of the text, not its square.
      const bytes = JSON.stringify(events).length;
      assert(bytes < 60 * answerOf(200).length, `${bytes} bytes of events for ${answerOf(200).length} of text`);

      const order = types();
      const place = (type) => order.indexOf(type);
      assert(place("chat:list") >= 0 && place("chat:list") < place("chat:active"), `list before active in ${order}`);
      assert(place("chat:active") < place("response:completion"));
      assert(order.lastIndexOf("response:completion") < order.lastIndexOf("chat:completion"));
      await until(() => types().includes("chat:title"), { what: "the title" });
      const value = (type) => listener.of("events").find((record) => record.value.data.type === type).value;
      assert.equal(value("chat:title").data.data, "About Contract");
      assert.equal(value("chat:title").chat_id, chat_id);
      assert.deepEqual(value("chat:message:follow_ups").data.data, { follow_ups: FOLLOW_UPS });
      assert.deepEqual(value("chat:tags").data.data, TAGS);
    });

    test(`${name} over ${transport} comes back by itself after the server's death`, async () => {
      const session = await addUser(server.url, admin);
      const listener = listen(Client, session);
      const first = await listener.joined();
      await server.kill();
      await listener.disconnected();
      await server.start();
      const second = await listener.joined(2);
      assert.notEqual(second.sid, first.sid);
      assert.deepEqual(second.user, first.user);
      const asked = question(session, second.sid, "Again [[tokens=4]]");
      await new Api(server.url, session.token).ok("POST", "/api/chat/completions", asked.body);
      await until(() => listener.about(asked.assistant).some(({ data }) => data?.done === true), { what: "a reply after the break" });
    });

    test(`${name} over ${transport} is closed within a second when its token is revoked, another token's is not`, async () => {
      const session = await addUser(server.url, admin);
      const other = await signIn(server.url, session);
      const [first, second, third] = [listen(Client, session), listen(Client, session), listen(Client, other)];
      for (const listener of [first, second, third]) await listener.joined();
      const begin = performance.now();
      await new Api(server.url, session.token).ok("POST", "/api/v1/auths/signout");
      for (const listener of [first, second]) {
        const { at, value } = await listener.disconnected();
        assert(at - begin < CLOSED_WITHIN, `closed after ${Math.round(at - begin)} ms`);
        assert.match(value, /server disconnect/i);
      }
      const { sid } = await third.joined();
      const asked = question(other, sid, "Still there [[tokens=2]]");
      await new Api(server.url, other.token).ok("POST", "/api/chat/completions", asked.body);
      await until(() => third.about(asked.assistant).some(({ data }) => data?.done === true), { what: "a reply" });
      assert.equal(third.of("disconnected").length, 0);
      assert.equal(first.of("events").length, 0, "nothing after the end of the session");
      for (const listener of [first, second, third]) await listener.close();
    });
  }

  test(`a revoked token stays revoked over a restart, over ${transport}`, async () => {
    const session = await addUser(server.url, admin);
    await new Api(server.url, session.token).ok("POST", "/api/v1/auths/signout");
    await server.kill();
    await server.start();
    assert.equal((await new Api(server.url, session.token).get("/api/v1/auths/")).status, 401);
    const { user } = await listen(JavaScriptListener, session).joined();
    assert(!user, `joined as ${JSON.stringify(user)}`);
  });

  test(`acknowledgements and rooms over ${transport}`, async () => {
    const [session, stranger] = [await addUser(server.url, admin), await addUser(server.url, admin)];
    const [asker, watcher, outsider] = [listen(JavaScriptListener, session), listen(JavaScriptListener, session), listen(JavaScriptListener, stranger)];
    const { sid } = await asker.joined();
    await watcher.joined();
    await outsider.joined();
    const api = new Api(server.url, session.token);
    const first = question(session, sid, "Room [[tokens=30 hold=10]]");
    const { chat_id } = await api.ok("POST", "/api/chat/completions", first.body);
    const room = (type, data) => ({ chat_id, data: { type, data } });
    assert.equal(await watcher.ask("events:chat", room("join")), true);
    assert.equal(await asker.ask("events:chat", room("join")), true);
    assert.equal(await outsider.ask("events:chat", room("join")), false, "other people's chats are closed");
    assert.equal(await outsider.ask("events:chat", { chat_id: "no such chat", data: { type: "join" } }), false);
    assert.equal(await asker.ask("events:chat", room("typing", { typing: true })), true);
    await until(() => watcher.of("events").some(({ value }) => value.data.type === "typing"), { what: "the sign of typing" });
    asker.socket.emit("usage", { model: "scripted-one" });
    await until(async () => (await api.ok("GET", "/api/usage")).model_ids.includes("scripted-one"), { what: "the use of the model" });

    const request = await provider.held("Room");
    assert.deepEqual((await api.ok("GET", `/api/tasks/chat/${chat_id}`)).task_ids.length, 1);
    const begin = performance.now();
    await api.ok("POST", `/api/tasks/chat/${chat_id}/stop`);
    await until(() => request.cutAt, { what: "the end of the provider's connection" });
    assert(request.cutAt - begin < 1000, `took ${Math.round(request.cutAt - begin)} ms`);
    await until(() => watcher.about(first.assistant).some(({ type }) => type === "chat:tasks:cancel"), { what: "the word of the stop" });

    const next = question(session, sid, "And on [[tokens=3]]", { chatId: chat_id, parentId: first.assistant });
    await api.ok("POST", "/api/chat/completions", next.body);
    await until(() => watcher.about(next.assistant).some(({ data }) => data?.done === true), { what: "the second reply" });
    const shared = watcher.of("events").map(({ value }) => value).filter(({ data }) => data.type === "chat:messages");
    assert(shared.some(({ data }) => data.data.messages[next.user]?.content === "And on [[tokens=3]]"), "the new turn is told to the room");
    assert.equal(asker.of("events").filter(({ value }) => value.data.type === "chat:messages").length, 0, "not to the one who asked");
    assert.equal(outsider.of("events").length, 0, "nobody else hears anything");
    assert.equal(await watcher.ask("events:chat", room("leave")), true);
  });

  test(`a role change and a deletion close every socket of the user, over ${transport}`, async () => {
    for (const change of ["role", "delete"]) {
      const session = await addUser(server.url, admin);
      const other = await signIn(server.url, session);
      const listeners = [listen(JavaScriptListener, session, { reconnection: false }), listen(JavaScriptListener, other, { reconnection: false })];
      for (const listener of listeners) await listener.joined();
      const api = new Api(server.url, admin.token);
      const begin = performance.now();
      if (change === "role") {
        const { name, email, id } = session;
        await api.ok("POST", `/api/v1/users/${id}/update`, { name, email, role: "admin", profile_image_url: "/user.png" });
      } else {
        await api.ok("DELETE", `/api/v1/users/${session.id}`);
      }
      for (const listener of listeners) {
        const { at } = await listener.disconnected();
        assert(at - begin < CLOSED_WITHIN, `closed after ${Math.round(at - begin)} ms`);
      }
      assert.equal((await new Api(server.url, other.token).get("/api/v1/auths/")).status, 401);
    }
  });
}
