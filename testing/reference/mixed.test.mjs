/** A running node of Open WebUI 0.12.4 and a node of this server share one channel; docs/guides/next-to-open-webui.md says what that gives. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { question } from "../clients/listeners.mjs";
import { Api, PASSWORD, signIn } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { runScript } from "../support/reference.mjs";
import { until } from "../support/wait.mjs";
import { Mixed, PREFIX, TOLD_WITHIN } from "./mixed.mjs";

const mixed = new Mixed();
before(() => mixed.start());
afterEach(() => mixed.leave());
after(() => mixed.stop());

const DISCONNECTED = "io server disconnect";
/** The longest message of a channel here. Its event is larger than what goes whole between nodes of ours. */
const LARGE = 256 * 1024;

/** `body` for both directions: from one of ours to the reference, and back. */
function bothWays(name, body) {
  test(`${name}, from ours to the reference`, () => body({ from: mixed.ours, to: mixed.theirs, ours: true }));
  test(`${name}, from the reference to ours`, () => body({ from: mixed.theirs, to: mixed.ours, ours: false }));
}

const say = (server, channel, content, person) =>
  mixed.api(server, person).ok("POST", `/api/v1/channels/${channel}/messages/post`, { content });

const isRefused = async (server, token) => (await new Api(server.url, token).get("/api/v1/auths/")).status === 401;

bothWays("the tokens of a reply reach a socket at the other", async ({ from, to }) => {
  const there = await mixed.listener(to, mixed.admin);
  // The page that asks has its socket at the other, as behind a balancer.
  const { body, assistant } = question(mixed.admin, there.sid, `Rivers [[tokens=9]]`);
  await mixed.api(from).ok("POST", "/api/chat/completions", body);
  await there.hears("events", ({ message_id: id, data }) => id === assistant && data.type === "chat:completion" && data.data.done, "the end");
  assert.equal(there.textOf(assistant), answerOf(9));
});

bothWays("a message and typing in a channel reach a socket at the other", async ({ from, to }) => {
  const person = await mixed.person();
  const channel = await mixed.channel("news", [person]);
  const here = await mixed.listener(from, mixed.admin);
  const there = await mixed.listener(to, person);
  await say(from, channel, "a message");
  await there.hearsChannel("message", ({ content }, id) => content === "a message" && id === channel);
  here.socket.emit("events:channel", { channel_id: channel, message_id: null, data: { type: "typing", data: { typing: true } } });
  await there.hearsChannel("typing", ({ typing }, id) => typing === true && id === channel);
});

bothWays("a large message reaches a socket at the other", async ({ from, to }) => {
  const person = await mixed.person();
  const channel = await mixed.channel("large", [person]);
  const there = await mixed.listener(to, person);
  const content = "x".repeat(LARGE);
  await say(from, channel, content);
  await there.hearsChannel("message", (message) => message.content === content);
});

test("a channel made at ours is entered and left by sockets at the reference", async () => {
  const person = await mixed.person();
  const there = await mixed.listener(mixed.theirs, person);
  await mixed.presentAtOurs(person);
  const ours = mixed.api(mixed.ours);
  const form = { type: "group", name: "entered", user_ids: [person.id] };
  const { id } = await ours.ok("POST", "/api/v1/channels/create", form);
  await there.hearsChannel("channel:created");
  await mixed.followed(id, 1);
  await say(mixed.ours, id, "welcome");
  await there.hearsChannel("message", ({ content }) => content === "welcome");
  await ours.ok("POST", `/api/v1/channels/${id}/update/members/remove`, { user_ids: [person.id] });
  await say(mixed.ours, id, "among us");
  const second = await ours.ok("POST", "/api/v1/channels/create", { ...form, name: "after" });
  await mixed.followed(second.id, 1);
  await say(mixed.ours, second.id, "after");
  await there.hearsChannel("message", ({ content }) => content === "after");
  assert(!there.heardMessage("among us"), "it has left the room");
});

test("a channel of both is left by sockets at ours when the reference takes their user out; one made there is only told", async () => {
  const person = await mixed.person();
  const channel = await mixed.channel("left", [person]);
  const other = await mixed.channel("marks", [person]);
  const here = await mixed.listener(mixed.ours, person);
  const theirs = mixed.api(mixed.theirs);
  await say(mixed.theirs, channel, "before");
  await here.hearsChannel("message", ({ content }) => content === "before");
  await theirs.ok("POST", `/api/v1/channels/${channel}/update/members/remove`, { user_ids: [person.id] });
  const form = { type: "group", name: "only told", user_ids: [person.id] };
  const { id } = await theirs.ok("POST", "/api/v1/channels/create", form);
  await here.hearsChannel("channel:created");
  await say(mixed.theirs, channel, "among us");
  await say(mixed.theirs, id, "not entered");
  await say(mixed.theirs, other, "mark");
  await here.hearsChannel("message", ({ content }) => content === "mark");
  assert(!here.heardMessage("among us"), "it has left the room");
  // The reference lets only sockets of its own enter (enter_room_for_users).
  assert(!here.heardMessage("not entered"));
});

bothWays("a sign-out closes the sockets at the other and counts there, and other sessions go on", async ({ from, to }) => {
  const person = await mixed.person();
  const stays = await mixed.session(person);
  const there = await mixed.listener(to, person);
  await mixed.presentAtOurs(person);
  const other = new Api(to.url, person.token);
  await other.ok("GET", "/api/v1/auths/");
  await new Api(from.url, person.token).ok("POST", "/api/v1/auths/signout");
  assert.equal((await there.disconnected()).value, DISCONNECTED);
  await until(() => isRefused(to, person.token), { what: "the token is refused", limit: 3_000 });
  assert(await isRefused(from, person.token));
  for (const server of [from, to]) assert(!(await isRefused(server, stays.token)), "another session goes on");
  await mixed.listener(to, { ...person, ...stays });
});

test("a sign-out at the reference outlives its mark in Redis", async () => {
  const person = await mixed.person();
  await new Api(mixed.theirs.url, person.token).ok("POST", "/api/v1/auths/signout");
  await until(() => isRefused(mixed.ours, person.token), { what: "the token is refused", limit: 3_000 });
  const marks = await mixed.inRedis("--scan", "--pattern", `${PREFIX}:auth:token:*`);
  await mixed.inRedis("DEL", ...marks.split("\n"));
  await mixed.ours.stop();
  await mixed.ours.start();
  assert(await isRefused(mixed.ours, person.token), "it is in the database");
  await until(async () => (await fetch(`${mixed.ours.url}/ready`)).ok, { what: "ready again", limit: 20_000 });
});

bothWays("the deletion of an account closes its sockets at the other", async ({ from, to }) => {
  const person = await mixed.person();
  const there = await mixed.listener(to, person);
  await mixed.presentAtOurs(person);
  await mixed.api(from).ok("DELETE", `/api/v1/users/${person.id}`);
  assert.equal((await there.disconnected()).value, DISCONNECTED);
});

test("the reference asks a socket at ours, and gets its answer", async () => {
  const theirs = mixed.api(mixed.theirs);
  const content = [
    "class Action:",
    "    async def action(self, body, __event_call__=None):",
    "        return {'answer': await __event_call__({'type': 'execute', 'data': {'code': body['code']}})}",
  ].join("\n");
  await theirs.ok("POST", "/api/v1/functions/create", { id: "asks", name: "Asks", content, meta: { description: "asks" } });
  await theirs.ok("POST", "/api/v1/functions/id/asks/toggle");
  await theirs.ok("GET", "/api/models");
  const here = await mixed.listener(mixed.ours, mixed.admin);
  here.answer = ({ data }) => ({ computed: `${data.data.code} is 42` });
  const form = { model: "scripted-one", chat_id: "", id: "message", session_id: here.sid, code: "6 * 7" };
  const { answer } = await theirs.ok("POST", "/api/chat/actions/asks", form);
  assert.deepEqual(answer, { computed: "6 * 7 is 42" });
  // Somebody else's socket is not asked.
  const stranger = await mixed.listener(mixed.ours, await mixed.person());
  const refused = await theirs.ok("POST", "/api/chat/actions/asks", { ...form, session_id: stranger.sid });
  assert.deepEqual(refused.answer, { error: "Client session disconnected." });
  // A socket that goes while it is asked ends the question.
  here.answer = () => {
    here.socket.disconnect();
  };
  const gone = await theirs.ok("POST", "/api/chat/actions/asks", form);
  assert.deepEqual(gone.answer, { error: "Client session disconnected." });
});

test("who is connected at the reference is present at ours until they leave", async () => {
  const person = await mixed.person();
  await mixed.presentAtOurs(person, false);
  const there = await mixed.listener(mixed.theirs, person);
  await mixed.presentAtOurs(person);
  await there.close();
  await mixed.presentAtOurs(person, false);
});

test("those who have a chat open are told to both", async () => {
  const person = await mixed.person();
  const chat = await mixed.chat(person);
  const here = await mixed.listener(mixed.ours, person);
  // An administrator may look at everybody's chats at the reference.
  const there = await mixed.listener(mixed.theirs, mixed.admin);
  const join = { chat_id: chat, data: { type: "join" } };
  assert.equal(await here.ask("events:chat", join), true);
  assert.equal(await there.ask("events:chat", join), true);
  const both = [person.id, mixed.admin.id].sort();
  const shows = (ids) => ({ chat_id, data }) =>
    chat_id === chat && data.type === "chat:presence" && JSON.stringify(data.data.users.map(({ id }) => id).sort()) === JSON.stringify(ids);
  await there.hears("events", shows(both), "both, at the reference");
  await here.hears("events", shows(both), "both, at ours");
  const typing = { chat_id: chat, data: { type: "typing", data: { typing: true } } };
  assert.equal(await here.ask("events:chat", typing), true);
  await there.hears("events", ({ user_id, data }) => user_id === person.id && data.type === "typing", "typing");
  there.heard.length = here.heard.length = 0;
  await there.ask("events:chat", { ...join, data: { type: "leave" } });
  await here.hears("events", shows([person.id]), "one is left, at ours");
});

bothWays("models in use at one are in use at the other, and then no more", async ({ from, to }) => {
  const here = await mixed.listener(from, mixed.admin);
  const inUse = async () => (await mixed.api(to).ok("GET", "/api/usage")).model_ids;
  await until(
    async () => {
      // As pages do, again and again while they use it.
      here.socket.emit("usage", { model: "scripted-two" });
      return (await inUse()).includes("scripted-two");
    },
    { what: "the model is in use", limit: TOLD_WITHIN },
  );
  await until(async () => !(await inUse()).includes("scripted-two"), { what: "it is in use no more", limit: TOLD_WITHIN });
});

test("no server takes out the other's sessions", async () => {
  const person = await mixed.person();
  const here = await mixed.listener(mixed.ours, person);
  const there = await mixed.listener(mixed.theirs, person);
  const pool = `${PREFIX}:session_pool`;
  const record = (sid) => mixed.inRedis("HGET", pool, sid).then(JSON.parse);
  // A node of ours that comes and goes in order removes what is its own.
  const another = await mixed.another({ REDIS_KEY_PREFIX: PREFIX, DATA_DIR: mixed.ours.data });
  const third = await mixed.listener(another, person);
  await another.stop();
  await until(async () => (await mixed.inRedis("HEXISTS", pool, third.sid)) === "0", { what: "its session is gone" });
  assert.equal((await record(there.sid)).id, person.id);
  // The reference sweeps when it starts: what was not seen for two minutes goes, ours stays.
  const orphan = JSON.stringify({ id: person.id, name: "Orphan", last_seen_at: Math.floor(Date.now() / 1000) - 130 });
  await mixed.inRedis("HSET", pool, "orphan", orphan);
  await mixed.theirs.stop();
  await mixed.inRedis("DEL", `${PREFIX}:session_cleanup_lock`);
  await mixed.theirs.start();
  await until(async () => (await mixed.inRedis("HEXISTS", pool, "orphan")) === "0", { what: "the sweep", limit: TOLD_WITHIN });
  assert.equal((await record(here.sid)).id, person.id);
  assert.equal(here.socket.connected, true);
});

test("a session at ours whose page says nothing is seen all the same", async () => {
  const here = await mixed.listener(mixed.ours, mixed.admin);
  const seenAt = async () => JSON.parse(await mixed.inRedis("HGET", `${PREFIX}:session_pool`, here.sid)).last_seen_at;
  const first = await seenAt();
  // Half a minute later it is seen again; the reference takes out what was not for two.
  await until(async () => (await seenAt()) >= first + 30, { what: "a sign of life", limit: 60_000 });
});

test("the reference takes sockets at ours out of chats that it does not know", async () => {
  const person = await mixed.person();
  const api = mixed.api(mixed.ours, person);
  const { id: chat } = await api.ok("POST", "/api/v1/chats/new", { chat: { title: "Ours" } });
  const here = await mixed.listener(mixed.ours, person);
  assert.equal(await here.ask("events:chat", { chat_id: chat, data: { type: "join" } }), true);
  const typing = { chat_id: chat, data: { type: "typing", data: { typing: true } } };
  assert.equal(await here.ask("events:chat", typing), true);
  await mixed.inPool(here.sid, ({ chat_ids: chats }) => chats.includes(chat));
  await mixed.api(mixed.theirs, person).ok("DELETE", "/api/v1/chats/");
  await here.hears("events", ({ chat_id: id, data }) => id === chat && data.type === "chat:access", "its access is checked");
  await until(async () => (await here.ask("events:chat", typing)) === false, { what: "it is in the room no more" });
  // Its replies come by way of its user, and it may come back.
  const { body, assistant } = question(person, here.sid, "Still [[tokens=5]]", { chatId: chat });
  await api.ok("POST", "/api/chat/completions", body);
  await until(() => here.textOf(assistant) === answerOf(5), { what: "the reply" });
  assert.equal(await here.ask("events:chat", { chat_id: chat, data: { type: "join" } }), true);
  assert.equal(await here.ask("events:chat", typing), true);
});

test("accounts that are copied as the guide says are the same people, with their passwords and sessions", async () => {
  const guide = await readFile(join(import.meta.dirname, "../../docs/guides/next-to-open-webui.md"), "utf8");
  const [, script] = /```sql\n([^]*?)```/.exec(guide);
  const form = { name: "Only There", email: "only.there@example.com", password: PASSWORD, role: "user" };
  await mixed.api(mixed.theirs).ok("POST", "/api/v1/auths/add", form);
  const { id } = await signIn(mixed.theirs.url, form);
  const fresh = await mixed.another({ REDIS_KEY_PREFIX: "copied" });
  await fresh.stop();
  await runScript(join(fresh.data, "webui.db"), script.replace("/path/of/open-webui/webui.db", mixed.theirs.database));
  await fresh.start();
  const [there, here] = [await signIn(mixed.theirs.url, form), await signIn(fresh.url, form)];
  assert.deepEqual([here.id, here.name, here.role], [id, form.name, form.role]);
  for (const { token } of [there, here]) {
    for (const { url } of [mixed.theirs, fresh]) assert.equal((await new Api(url, token).ok("GET", "/api/v1/auths/")).id, id);
  }
});

bothWays("a reply that runs at one is stopped by the other", async ({ from, to }) => {
  const here = await mixed.listener(from, mixed.admin);
  const name = `Endless ${Math.random()}`;
  const { body, assistant } = question(mixed.admin, here.sid, `${name} [[tokens=30 hold=3]]`);
  await mixed.api(from).ok("POST", "/api/chat/completions", body);
  const request = await mixed.provider.held(name);
  await until(() => here.textOf(assistant) === answerOf(3), { what: "three words" });
  // The reference lists the tasks of both; this server those of its own fleet.
  const lists = mixed.api(mixed.theirs);
  const { tasks } = await lists.ok("GET", "/api/tasks");
  assert.equal(tasks.length, 1, JSON.stringify(tasks));
  await mixed.api(to).ok("POST", `/api/tasks/stop/${tasks[0]}`);
  await until(() => request.cutAt, { what: "the end of the provider's connection", limit: TOLD_WITHIN });
  await until(async () => (await lists.ok("GET", "/api/tasks")).tasks.length === 0, { what: "nothing is listed" });
  for (const server of [from, to]) assert.deepEqual((await mixed.api(server).ok("GET", "/api/tasks")).tasks, []);
});

bothWays("a change of a setting does not touch the other", async ({ from, to }) => {
  const path = "/api/v1/auths/admin/config";
  const [here, there] = [mixed.api(from), mixed.api(to)];
  const keys = async () => (await mixed.inRedis("--scan", "--pattern", `${PREFIX}:config:*`)).split("\n").sort();
  const [before, names] = [await there.ok("GET", path), await keys()];
  assert(names.length > 10, "ours writes its settings for operators to look at");
  const settings = await here.ok("GET", path);
  const changed = !settings.ENABLE_SIGNUP;
  await here.ok("POST", path, { ...settings, ENABLE_SIGNUP: changed });
  assert.equal((await here.ok("GET", path)).ENABLE_SIGNUP, changed);
  assert.deepEqual(await there.ok("GET", path), before);
  assert.deepEqual(await keys(), names);
});

bothWays("failed sign-ins at one count at the other", async ({ from, to }) => {
  const form = { email: `nobody${Math.random()}@example.com`, password: "wrong" };
  const attempt = async (server) => (await new Api(server.url).post("/api/v1/auths/signin", form)).status;
  for (let number = 0; number < 15; number += 1) assert.notEqual(await attempt(from), 429);
  assert.equal(await attempt(to), 429);
});
