import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, PASSWORD, signIn } from "../support/api.mjs";
import { answerOf, KEY, Provider } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World();

const row = (tab, email) => tab.page.locator(`[data-testid="user-row"][data-email="${email}"]`);

test("the administrator adds a user, who waits until a role is given", world.visit(async (visit) => {
  const tab = await visit.tab(world.admin, { path: "/admin/users", expects: [/status of 400/] });
  await row(tab, world.admin.email).waitFor();
  assert.equal(await row(tab, world.admin.email).getByTestId("user-role").isDisabled(), true, "not one's own role");
  await tab.id("add-user").click();
  await tab.id("new-user-name").fill("Berta Beispiel");
  await tab.id("new-user-email").fill("berta@example.com");
  await tab.id("new-user-password").fill(PASSWORD);
  await tab.id("new-user-role").selectOption("pending");
  await tab.id("new-user-save").click();
  await row(tab, "berta@example.com").waitFor();
  await tab.shows(tab.id("users-total"), /2 users/);

  await tab.id("add-user").click();
  await tab.id("new-user-name").fill("Berta Again");
  await tab.id("new-user-email").fill("berta@example.com");
  await tab.id("new-user-password").fill(PASSWORD);
  await tab.id("new-user-save").click();
  await tab.shows(tab.id("new-user-save-outcome"), /./);

  const session = await signIn(world.server.url, { email: "berta@example.com", password: PASSWORD });
  const waiting = await (await visit.reader({ session, expects: [/status of 40[01]/] })).open("/");
  await waiting.id("pending").waitFor();
  await row(tab, "berta@example.com").getByTestId("user-role").selectOption("user");
  // A new role ends the sessions of the old one; the page says so or shows the chat when it is asked again.
  await until(async () => (await new Api(world.server.url, session.token).get("/api/v1/auths/")).status === 401, { what: "the end of the old session" });
  await waiting.id("pending-check").click();
  await waiting.id("auth-form").waitFor();
  await waiting.id("email").fill("berta@example.com");
  await waiting.id("password").fill(PASSWORD);
  await waiting.id("submit").click();
  await waiting.ready();
}));

test("a change of role ends the open page of that user", world.visit(async (visit) => {
  const session = await world.user({ name: "Carla Changed" });
  const theirs = await visit.tab(session, { expects: [/status of 401/] });
  const tab = await visit.tab(world.admin, { path: "/admin/users" });
  await row(tab, session.email).getByTestId("user-role").selectOption("admin");
  await theirs.id("auth-form").waitFor();
  await theirs.id("session-notice").waitFor();
}));

test("a user is deleted only when asked twice, and is out at once", world.visit(async (visit) => {
  const session = await world.user({ name: "Dora Deleted" });
  const theirs = await visit.tab(session, { expects: [/status of 40[01]/] });
  const tab = await visit.tab(world.admin, { path: "/admin/users" });
  await tab.id("users-search").fill("dora");
  await row(tab, session.email).waitFor();
  await tab.shows(tab.id("users-total"), "1 user");
  await row(tab, session.email).getByTestId("user-delete").click();
  await row(tab, session.email).getByTestId("user-confirm-delete").click();
  await row(tab, session.email).waitFor({ state: "detached" });
  await theirs.id("auth-form").waitFor();
  assert.equal((await new Api(world.server.url).post("/api/v1/auths/signin", session)).status, 400);
}));

test("the administration is closed to others", world.visit(async (visit) => {
  const { tab, api } = await visit.fresh({ path: "/admin/users" });
  await tab.id("welcome").waitFor();
  assert.equal(await tab.id("admin").count(), 0);
  assert.equal((await api.get("/api/v1/users/")).status, 401);
}));

test("settings of the server are kept: sign-up is opened and used", world.visit(async (visit) => {
  const tab = await visit.tab(world.admin, { path: "/admin/settings" });
  await tab.id("enable-signup").check();
  await tab.id("default-role").selectOption("user");
  await tab.id("jwt-expires").fill("2h");
  await tab.id("admin-settings-save").click();
  await tab.shows(tab.id("admin-settings-save-outcome"), /Saved/);
  await tab.page.reload();
  await until(() => tab.id("enable-signup").isChecked(), { what: "the kept setting" });
  assert.equal(await tab.id("jwt-expires").inputValue(), "2h");

  const other = await (await visit.reader()).open("/");
  await other.id("switch-form").click();
  await other.id("name").fill("Emil Eigen");
  await other.id("email").fill("emil@example.com");
  await other.id("password").fill(PASSWORD);
  await other.id("submit").click();
  await other.ready();
  await other.shows(other.id("account-menu"), /Emil Eigen/);
  const session = await signIn(world.server.url, { email: "emil@example.com", password: PASSWORD });
  const life = session.expires_at - Date.now() / 1000;
  assert(life > 7000 && life <= 7200, `two hours, not ${life} s`);
  await tab.id("enable-signup").uncheck();
  await tab.id("admin-settings-save").click();
  await tab.shows(tab.id("admin-settings-save-outcome"), /Saved/);
}));

test("a provider is tried, connected, used, and its failure is told with the cause", world.visit(async (visit) => {
  const second = await Provider.start();
  try {
    const tab = await visit.tab(world.admin, { path: "/admin/connections", expects: [/status of (400|401|50\d)/] });
    await tab.id("openai-add").click();
    await tab.id("openai-url").nth(1).fill(second.url);
    await tab.id("openai-key").nth(1).fill("sk-wrong");
    await tab.id("openai-verify").nth(1).click();
    await tab.shows(tab.id("openai-verdict").nth(1), /key/i);
    await tab.id("openai-key").nth(1).fill(KEY);
    await tab.id("openai-verify").nth(1).click();
    await tab.shows(tab.id("openai-verdict").nth(1), /offers 2 models/);
    await tab.id("openai-save").click();
    await tab.shows(tab.id("openai-save-outcome"), /Saved/);
    await until(async () => (await tab.id("provider").count()) === 2, { what: "both providers in the list" });
    await second.stop();
    await tab.id("providers-refresh").click();
    const lost = tab.page.locator('[data-testid="provider"][data-ok="false"]');
    await lost.waitFor();
    await tab.shows(lost, /refused|listens|reach/i);
    // The other one goes on.
    await tab.id("new-chat").click();
    await tab.ask("Still answered [[tokens=4]]");
    await tab.answered(answerOf(4));
    await tab.id("model-picker").click();
    await tab.id("failing-providers").waitFor();
    await tab.page.keyboard.press("Escape");
    await tab.page.goto(`${world.server.url}/admin/connections`);
    await tab.id("openai-remove").nth(1).click();
    await tab.id("openai-save").click();
    await tab.shows(tab.id("openai-save-outcome"), /Saved/);
    await lost.waitFor({ state: "detached" });
  } finally {
    await second.stop().catch(() => undefined);
  }
}));

test("a reader's own settings: name, system prompt, appearance", world.visit(async (visit) => {
  const { session, tab } = await visit.fresh();
  const open = async () => {
    await tab.id("account-menu").click();
    await tab.id("open-settings").click();
  };
  await open();
  await tab.id("own-name").fill("Frieda Neu");
  await tab.id("own-name-save").click();
  await tab.shows(tab.id("own-name-save-outcome"), /Saved/);
  await tab.id("system-prompt").fill("Answer in rhyme.");
  await tab.id("system-prompt-save").click();
  await tab.shows(tab.id("system-prompt-save-outcome"), /Saved/);
  await tab.id("theme-dark").check({ force: true });
  await tab.page.keyboard.press("Escape");
  await tab.id("settings").waitFor({ state: "detached" });
  await tab.reload();
  await tab.shows(tab.id("account-menu"), /Frieda Neu/);
  assert.equal(await tab.page.evaluate(() => document.documentElement.dataset.theme), "night");
  await tab.ask("A rhyme [[tokens=3]]");
  await tab.answered(answerOf(3));
  const { body } = await world.provider.asked("A rhyme");
  assert.deepEqual(body.messages[0], { role: "system", content: "Answer in rhyme." });
  assert.equal((await new Api(world.server.url, session.token).ok("GET", "/api/v1/auths/")).name, "Frieda Neu");
}));

test("an API key is made, used, replaced and deleted", world.visit(async (visit) => {
  const admin = await visit.tab(world.admin, { path: "/admin/settings", expects: [/status of 404/] });
  await admin.id("enable-api-keys").check();
  await admin.id("admin-settings-save").click();
  await admin.shows(admin.id("admin-settings-save-outcome"), /Saved/);
  await admin.page.goto(world.server.url);
  await admin.ready();
  await admin.id("account-menu").click();
  await admin.id("open-settings").click();
  await admin.id("api-key-create").click();
  const key = await until(() => admin.id("api-key").inputValue(), { what: "the key" });
  assert.match(key, /^sk-/);
  assert.equal((await new Api(world.server.url, key).get("/api/models")).status, 200);
  await admin.id("api-key-replace").click();
  await admin.id("api-key-confirm").click();
  await until(async () => (await admin.id("api-key").inputValue()) !== key, { what: "another key" });
  assert.equal((await new Api(world.server.url, key).get("/api/models")).status, 401);
  await admin.id("api-key-delete").click();
  await admin.id("api-key-confirm").click();
  await admin.id("api-key-create").waitFor();
}));
