import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createInterface } from "node:readline";
import { addUser, Api, signUp } from "../support/api.mjs";
import { answerOf, KEY, Provider } from "../support/provider.mjs";
import { Server } from "../support/server.mjs";
import { until, within } from "../support/wait.mjs";
import { PYTHON } from "./listeners.mjs";

let provider;
let server;
let admin;
let key;

before(async () => {
  provider = await Provider.start();
  server = await Server.start({ ...provider.environment, ENABLE_API_KEYS: "true" });
  admin = await signUp(server.url);
  key = (await new Api(server.url, admin.token).ok("POST", "/api/v1/auths/api_key")).api_key;
});

after(async () => {
  try {
    await server?.dispose();
  } finally {
    await provider?.stop();
  }
});

test("the openai client lists, asks, streams, fails and cancels", async () => {
  const child = spawn(PYTHON, [join(import.meta.dirname, "openai_client.py"), server.url, key], { stdio: ["pipe", "pipe", "pipe"] });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  const lines = new Map();
  let trouble = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (trouble += text));
  createInterface({ input: child.stdout }).on("line", (line) => lines.set(line, performance.now()));
  try {
    await until(() => lines.has("cancelled") || child.exitCode !== null, { what: "the end of the client's steps", limit: 60_000 });
    for (const step of ["models", "completion", "stream", "error", "broken stream", "unknown model", "wrong key"]) {
      assert(lines.has(`ok ${step}`), `${step}\n${trouble}`);
    }
    const request = await provider.asked("Cancelled");
    await until(() => request.cutAt, { what: "the end of the provider's connection" });
    const took = request.cutAt - lines.get("cancelling");
    assert(took < 1000, `the provider was told after ${Math.round(took)} ms`);
    assert.equal(request.sent, 3);
    child.stdin.end();
    assert.equal(await within(exited, "the end of the client"), 0, trouble);
  } finally {
    child.kill("SIGKILL");
  }
});

test("a provider's failure passes through as it was, and its key does not", async () => {
  const api = new Api(server.url, key);
  const ask = (content) => api.post("/api/chat/completions", { model: "scripted-one", messages: [{ role: "user", content }] });
  const failed = await ask("[[fail=418]]");
  assert.equal(failed.status, 418);
  assert.deepEqual(failed.body, { error: { message: "The scripted provider was told to fail with 418.", type: "server_error", code: "scripted" } });
  const request = await provider.asked("[[fail=418]]");
  assert.equal(request.headers.authorization, `Bearer ${KEY}`, "the provider's own key, not the caller's");
  assert(!JSON.stringify(request.headers).includes(key));
  assert(!server.log.includes(KEY) && !server.log.includes(key), "no key in the log");
});

test("an API key opens the same doors in each header, and none once it is deleted", async () => {
  const user = await addUser(server.url, admin, { role: "admin" });
  const made = (await new Api(server.url, user.token).ok("POST", "/api/v1/auths/api_key")).api_key;
  for (const headers of [{ authorization: `Bearer ${made}` }, { "x-api-key": made }]) {
    const response = await fetch(`${server.url}/api/models`, { headers });
    assert.equal(response.status, 200);
    assert.equal((await response.json()).data.length, 2);
  }
  await new Api(server.url, user.token).ok("DELETE", "/api/v1/auths/api_key");
  assert.equal((await new Api(server.url, made).get("/api/models")).status, 401);
});

test("plain completions are not stored as chats", async () => {
  const api = new Api(server.url, key);
  const answer = await api.ok("POST", "/api/chat/completions", { model: "scripted-two", messages: [{ role: "user", content: "Plain [[tokens=3]]" }] });
  assert.equal(answer.choices[0].message.content, answerOf(3));
  assert.deepEqual(await new Api(server.url, admin.token).ok("GET", "/api/v1/chats/?page=1"), []);
});
