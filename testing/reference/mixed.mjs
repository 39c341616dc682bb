/**
 * A node of the reference and nodes of this server at one Redis, on one channel: `ours` and `theirs`. Each keeps a database of
 * its own; people, chats and channels of the tests have the same ids in both, and a token of one is good at the other.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { JavaScriptListener } from "../clients/listeners.mjs";
import { Api, addUser, signIn, signUp } from "../support/api.mjs";
import { Provider } from "../support/provider.mjs";
import { Redis } from "../support/redis.mjs";
import { ReferenceServer } from "../support/reference.mjs";
import { Server } from "../support/server.mjs";
import { until, within } from "../support/wait.mjs";

export const PREFIX = "shared";

/** Longest wait for what the two tell each other. This server looks at the other's sessions every two seconds. */
export const TOLD_WITHIN = 20_000;

/** The claims of a token. */
const claims = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** A client that notes all it hears. `answer` gives what it acknowledges an event with. */
export class Listener extends JavaScriptListener {
  heard = [];
  answer = () => undefined;

  constructor(url, token, options) {
    super(url, token, options);
    this.socket.onAny((name, payload, ...rest) => {
      this.heard.push({ name, payload });
      const acknowledge = rest.at(-1);
      if (typeof acknowledge === "function") acknowledge(this.answer(payload));
    });
  }

  /** Waits for an event, and gives what it carries. */
  async hears(name, condition, what) {
    const found = () => this.heard.find((event) => event.name === name && condition(event.payload));
    const event = await until(found, { what: `${name}: ${what}`, limit: TOLD_WITHIN }).catch((error) => {
      throw new Error(`${error.message}\nheard: ${JSON.stringify(this.heard).slice(0, 4000)}`);
    });
    return event.payload;
  }

  /** Waits for something about a channel; `content` is that of a message. */
  async hearsChannel(type, condition = () => true) {
    return await this.hears("events:channel", ({ data, channel_id }) => data?.type === type && condition(data.data, channel_id), type);
  }

  /** Whether a message with this content was heard. */
  heardMessage(content) {
    return this.heard.some(({ name, payload }) => name === "events:channel" && payload.data?.data?.content === content);
  }

  /** The text of a reply from its deltas. */
  textOf(messageId) {
    return this.about(messageId)
      .filter(({ type, data }) => type === "response:completion" && data.type === "response.output_text.delta")
      .map(({ data }) => data.delta)
      .join("");
  }
}

export class Mixed {
  #listeners = [];
  #ours = [];
  #environment;
  redis;
  provider;
  ours;
  theirs;
  admin;

  async start() {
    this.redis = await Redis.start();
    this.provider = await Provider.start();
    this.#environment = {
      REDIS_URL: this.redis.url,
      WEBSOCKET_MANAGER: "redis",
      WEBSOCKET_REDIS_URL: this.redis.url,
      REDIS_KEY_PREFIX: PREFIX,
      WEBUI_SECRET_KEY: "of-both-servers-0123456789abcdef0123",
      ENABLE_CHANNELS: "true",
      BYPASS_MODEL_ACCESS_CONTROL: "true",
      ...this.provider.environment,
      OPENAI_API_BASE_URL: this.provider.url,
      OPENAI_API_KEY: this.provider.environment.OPENAI_API_KEYS,
    };
    // The reference first: what it writes must not keep ours from starting, nor the other way round.
    this.theirs = await ReferenceServer.start(this.#environment);
    this.ours = await this.another();
    this.admin = await signUp(this.ours.url);
    await signUp(this.theirs.url);
    await this.#sameIds(this.admin);
  }

  /** One more node of ours, a fleet of its own: SQLite is not shared. */
  async another(environment = {}) {
    const node = await Server.start({ ...this.#environment, WEBSOCKET_REDIS_CHANNEL: "socketio", ...environment });
    this.#ours.push(node);
    await until(async () => (await fetch(`${node.url}/ready`)).ok, { what: "a node of ours is ready", limit: 20_000 });
    return node;
  }

  /** An account with the same id at both. Its token is good at both. */
  async person() {
    const person = await addUser(this.ours.url, this.admin);
    const form = { name: person.name, email: person.email, password: person.password, role: person.role };
    await new Api(this.theirs.url, this.admin.token).ok("POST", "/api/v1/auths/add", form);
    await this.#sameIds(person);
    return person;
  }

  /** Gives the reference's account the id and the session stamp that it has here. */
  async #sameIds({ id, email, token }) {
    const { session_stamp: stamp } = claims(token);
    assert(stamp, "tokens of this server have a stamp");
    await this.theirs.sql(
      ["UPDATE auth SET id = ?, session_stamp = ? WHERE email = ?", [id, stamp, email]],
      ["UPDATE user SET id = ? WHERE email = ?", [id, email]],
    );
    await new Api(this.theirs.url, token).ok("GET", "/api/v1/auths/");
  }

  /** Another session of a person. */
  async session(person, server = this.ours) {
    const session = await signIn(server.url, person);
    assert.equal(claims(session.token).session_stamp, claims(person.token).session_stamp);
    return session;
  }

  /** A channel of these people with the same id at both, made by the administrator; nobody's socket is in it yet. */
  async channel(name, people) {
    const form = { type: "group", name, user_ids: people.map(({ id }) => id) };
    const [ours, theirs] = [this.api(this.ours), this.api(this.theirs)];
    const { id } = await ours.ok("POST", "/api/v1/channels/create", form);
    const { id: other } = await theirs.ok("POST", "/api/v1/channels/create", form);
    await this.theirs.sql(
      ["UPDATE channel SET id = ? WHERE id = ?", [id, other]],
      ["UPDATE channel_member SET channel_id = ? WHERE channel_id = ?", [id, other]],
    );
    return id;
  }

  /** A chat of this person with the same id at both. */
  async chat(person) {
    const form = { chat: { title: "Shared", models: ["scripted-one"], messages: [], history: { messages: {}, currentId: null } } };
    const { id } = await this.api(this.ours, person).ok("POST", "/api/v1/chats/new", form);
    const { id: other } = await this.api(this.theirs, person).ok("POST", "/api/v1/chats/new", form);
    await this.theirs.sql(["UPDATE chat SET id = ? WHERE id = ?", [id, other]]);
    return id;
  }

  api(server, person = this.admin) {
    return new Api(server.url, person.token);
  }

  /** The client of a person, connected and joined, once both servers know of it. */
  async listener(server, person, options = {}) {
    const listener = new Listener(server.url, person.token, { reconnection: false, ...options });
    this.#listeners.push(listener);
    const { sid, user } = await listener.joined();
    assert.equal(user?.id, person.id, "the token is good");
    listener.sid = sid;
    await until(() => this.inRedis("HEXISTS", `${PREFIX}:session_pool`, sid).then((found) => found === "1"), { what: "its entry" });
    return listener;
  }

  /** Waits until the entry of a socket in the pool of sessions is as `condition` says. */
  async inPool(sid, condition) {
    await until(async () => condition(JSON.parse(await this.inRedis("HGET", `${PREFIX}:session_pool`, sid))), { what: "its entry" });
  }

  /**
   * Waits until so many servers listen to what is said in a channel: a server that is told to let sockets enter subscribes after
   * that, and misses what is said before.
   */
  async followed(channel, servers) {
    const followers = async () => (await this.inRedis("PUBSUB", "NUMSUB", `socketio#/#channel:${channel}`)).split("\n").at(-1);
    await until(async () => Number(await followers()) === servers, { what: `${servers} servers listen to ${channel}`, limit: TOLD_WITHIN });
  }

  /** Waits until a node of ours counts this person as present, or as absent. */
  async presentAtOurs(person, expected = true) {
    const path = `/api/v1/users/${person.id}/active`;
    const seen = async () => (await this.api(this.ours).ok("GET", path)).active === expected;
    await until(seen, { what: `${person.name} is ${expected ? "present" : "absent"} at ours`, limit: TOLD_WITHIN });
  }

  /** The answer of `redis-cli`. */
  async inRedis(...command) {
    const child = spawn("redis-cli", ["-u", this.redis.url, ...command], { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
    await within(new Promise((done) => child.once("close", done)), `redis-cli ${command.join(" ")}`).finally(() => child.kill("SIGKILL"));
    return output.trim();
  }

  /** Closes the clients of a test. */
  async leave() {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
  }

  async stop() {
    await this.leave();
    const endings = [...this.#ours.map((node) => node.dispose()), this.theirs?.dispose()];
    const ended = await Promise.allSettled(endings);
    await this.provider?.stop();
    await this.redis?.stop();
    const failed = ended.find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  }
}
