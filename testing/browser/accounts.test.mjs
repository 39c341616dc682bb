import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, PASSWORD, signIn } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World({ administrator: false });
const ADMIN = { name: "Ada Admin", email: "ada@example.com", password: PASSWORD };

const refused = [/status of 400/];
const signedOut = [/status of 401/];

async function fillIn(tab, fields) {
  for (const [name, value] of Object.entries(fields)) await tab.id(name).fill(value);
  await tab.id("submit").click();
}

async function signOut(tab) {
  await tab.id("account-menu").click();
  await tab.id("sign-out").click();
  await tab.id("auth-form").waitFor();
}

test("the first account is made on the page, administers the server, and survives a reload", world.visit(async (visit) => {
  const reader = await visit.reader();
  const tab = await reader.open("/");
  await tab.id("onboarding").waitFor();
  await fillIn(tab, ADMIN);
  await tab.ready();
  await tab.shows(tab.id("account-menu"), /Ada Admin/);
  await tab.id("account-menu").click();
  await tab.id("open-admin").waitFor();
  await tab.reload();
  await tab.shows(tab.id("account-menu"), /Ada Admin/);
  world.admin = await signIn(world.server.url, ADMIN);
}));

test("after the first account nobody else can sign up", world.visit(async (visit) => {
  const tab = await (await visit.reader()).open("/");
  await tab.id("auth-form").waitFor();
  assert.equal(await tab.id("switch-form").count(), 0);
  assert.equal(await tab.id("onboarding").count(), 0);
}));

test("a wrong password is told in place and the right one then opens the page", world.visit(async (visit) => {
  const tab = await (await visit.reader({ expects: refused })).open("/");
  await fillIn(tab, { email: ADMIN.email, password: "not the password" });
  const problem = await tab.id("auth-problem").innerText();
  assert(problem.length > 10, `a sentence, not “${problem}”`);
  assert.equal(await tab.id("email").inputValue(), ADMIN.email, "what was typed stays");
  await fillIn(tab, { email: "nobody@example.com", password: "not the password" });
  await until(async () => (await tab.id("submit").isEnabled()), { what: "the answer" });
  assert.equal(await tab.id("auth-problem").innerText(), problem, "an unknown address is told the same");
  await fillIn(tab, { email: ADMIN.email, password: ADMIN.password });
  await tab.ready();
}));

test("signing in leads to where the reader wanted to be", world.visit(async (visit) => {
  const chat = new Api(world.server.url, world.admin.token);
  const { id } = await chat.ok("POST", "/api/v1/chats/new", { chat: { title: "Kept", models: [], history: { currentId: null, messages: {} }, messages: [] } });
  const tab = await (await visit.reader()).open(`/c/${id}`);
  await tab.id("auth-form").waitFor();
  await fillIn(tab, { email: ADMIN.email, password: ADMIN.password });
  await tab.ready();
  await tab.shows(tab.id("chat-title"), "Kept");
  assert.equal(await tab.chatId(), id);
}));

test("signing out ends the token for good", world.visit(async (visit) => {
  const { session, api, tab } = await visit.fresh();
  await signOut(tab);
  assert.equal((await api.get("/api/v1/auths/")).status, 401);
  await tab.page.reload();
  await tab.id("auth-form").waitFor();
  const again = await visit.reader({ session, expects: signedOut });
  const other = await again.open("/");
  await other.id("auth-form").waitFor();
}));

test("signing out ends the other tabs of the token, wherever they are", world.visit(async (visit) => {
  const session = await world.user();
  const reader = await visit.reader({ session, expects: signedOut });
  const first = await reader.open("/");
  const second = await reader.open("/");
  const elsewhere = await visit.tab(session, { expects: signedOut });
  await first.ready();
  await second.ready();
  await signOut(first);
  await second.id("auth-form").waitFor();
  await elsewhere.id("auth-form").waitFor();
  await elsewhere.id("session-notice").waitFor();
}));

test("signing out does not end another sign-in of the same person", world.visit(async (visit) => {
  const session = await world.user();
  const other = await signIn(world.server.url, session);
  const first = await visit.tab(session);
  const reader = await visit.reader({ session: other });
  const second = await reader.open("/");
  let closed = 0;
  second.page.on("websocket", (socket) => socket.on("close", () => (closed += 1)));
  await second.reload();
  closed = 0;
  await signOut(first);
  await second.ask("Still here? [[tokens=6]]");
  await second.answered(answerOf(6));
  assert.equal(closed, 0, "the socket of the other sign-in was left alone");
}));

test("a new password ends every session and is needed from then on", world.visit(async (visit) => {
  const session = await world.user();
  const other = await signIn(world.server.url, session);
  const expects = [...signedOut, ...refused, /status of 404/];
  const tab = await visit.tab(session, { expects });
  const second = await visit.tab(other, { expects });
  await tab.id("account-menu").click();
  await tab.id("open-settings").click();
  await tab.id("current-password").fill("wrong");
  await tab.id("new-password").fill("another horse 43");
  await tab.id("password-save").click();
  await tab.shows(tab.id("password-save-outcome"), /./);
  await tab.id("current-password").fill(PASSWORD);
  await tab.id("password-save").click();
  await tab.shows(tab.id("session-notice"), /password/i);
  await second.id("auth-form").waitFor();
  await fillIn(tab, { email: session.email, password: "another horse 43" });
  await tab.ready();
}));
