import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World();

/** What a page reports while its server is away. */
const AWAY = [/ERR_CONNECTION_REFUSED/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /WebSocket connection to .* failed/];

/** The page comes back within its longest pause between two tries and some. */
const BACK_LIMIT = 15_000;

/** Two tabs of one reader, the second in another browser. */
async function twoTabs(visit, options) {
  const session = await world.user();
  const first = await visit.tab(session, options);
  const second = await visit.tab(session, options);
  return { session, api: new Api(world.server.url, session.token), first, second };
}

test("a chat begun in one tab appears in the other's list, and its answer streams in both", world.visit(async (visit) => {
  const { first, second } = await twoTabs(visit);
  await first.ask("Shared [[tokens=20 hold=6]]");
  const request = await world.provider.held("Shared");
  const id = await first.chatId();
  await second.page.locator(`[data-chat-id="${id}"] [data-testid="chat-link"]`).click();
  await second.question("Shared").waitFor();
  await first.answered(answerOf(6), "writing");
  await second.answered(answerOf(6), "writing");
  request.release();
  await first.answered(answerOf(20));
  await second.answered(answerOf(20));
  await second.row("About Shared").waitFor();
  await second.shows(second.id("chat-title"), "About Shared");
}));

test("a message sent in one tab appears in the other, and stop works from there", world.visit(async (visit) => {
  const { first, second } = await twoTabs(visit);
  await first.ask("Opening [[tokens=3]]");
  await first.answered(answerOf(3));
  const id = await first.chatId();
  await second.page.locator(`[data-chat-id="${id}"] [data-testid="chat-link"]`).click();
  await second.answered(answerOf(3));
  await first.ask("Second thought [[tokens=30 hold=8]]");
  const request = await world.provider.held("Second thought");
  await second.question("Second thought").waitFor();
  await second.answered(answerOf(8), "writing");
  const asked = performance.now();
  await second.id("stop").click();
  await until(() => request.cutAt, { what: "the end of the provider's connection" });
  assert(request.cutAt - asked < 1000, `took ${Math.round(request.cutAt - asked)} ms`);
  await first.id("answer-stopped").waitFor();
  await second.id("answer-stopped").waitFor();
  await second.ask("And from here [[tokens=5]]");
  await second.answered(answerOf(5));
  await first.question("And from here").waitFor();
  await first.answered(answerOf(5));
}));

test("rename, pin and delete in one tab appear in the other", world.visit(async (visit) => {
  const { first, second } = await twoTabs(visit);
  await first.ask("Sorted [[tokens=2]]");
  await first.row("About Sorted").waitFor();
  await second.row("About Sorted").waitFor();
  await first.choose("About Sorted", "menu-rename");
  await first.id("rename-input").fill("Well sorted");
  await first.id("rename-input").press("Enter");
  await second.row("Well sorted").waitFor();
  await first.choose("Well sorted", "menu-pin");
  await second.id("pinned-list").getByText("Well sorted").waitFor();
  await first.choose("Well sorted", "menu-delete");
  await first.id("confirm-delete").click();
  await second.row("Well sorted").waitFor({ state: "detached" });
}));

test("while the server is away the page says so, and heals by itself", world.visit(async (visit) => {
  const { tab } = await visit.fresh({ expects: AWAY });
  await tab.ask("Before the break [[tokens=9]]");
  await tab.answered(answerOf(9));
  await world.server.kill();
  await tab.id("offline-bar").waitFor();
  await tab.shows(tab.id("offline-bar"), /No connection to the server since \d/);
  await tab.answered(answerOf(9));
  await tab.screenshot("desk-day-offline");
  await tab.id("composer").fill("Written meanwhile [[tokens=4]]");
  assert.equal(await tab.id("send").isDisabled(), true);
  await world.server.start();
  await tab.id("offline-bar").waitFor({ state: "detached", timeout: BACK_LIMIT });
  await tab.ready();
  await tab.id("composer").press("Enter");
  await tab.answered(answerOf(4));
  assert.equal(await tab.answers.count(), 2);
}));

test("an answer that the server's death cut off is shown as interrupted and can be continued", world.visit(async (visit) => {
  const { tab } = await visit.fresh({ expects: AWAY });
  // The text so far is saved every two seconds while it grows.
  await tab.ask("Cut off [[tokens=400 delay=25]]");
  await until(async () => (await tab.answerText()).includes("word130"), { what: "the words of some seconds" });
  await world.server.kill();
  await tab.id("offline-bar").waitFor();
  await world.server.start();
  await tab.id("offline-bar").waitFor({ state: "detached", timeout: BACK_LIMIT });
  await tab.id("continue").waitFor();
  await tab.screenshot("desk-day-interrupted");
  assert.equal(await tab.id("stop").count(), 0);
  assert.notEqual(await tab.lastAnswer.getAttribute("data-state"), "done", "it does not look finished");
  const text = (await tab.answerText()).split("\n")[0];
  assert(answerOf(400).startsWith(text) && text.includes("word40"), `the text so far is kept, not “${text}”`);
  await tab.id("continue").click();
  await tab.answered(answerOf(12));
  const { messages } = (await world.provider.asked("Continue")).body;
  assert.equal(messages[1].content.split("\n")[0], text, "the model sees what it had said");
}));

test("a stop of the server lets the page come back to a finished answer", world.visit(async (visit) => {
  const { tab } = await visit.fresh({ expects: AWAY });
  await tab.ask("Over the restart [[tokens=60 delay=20]]");
  await until(async () => (await tab.answerText()).includes("word5"), { what: "the first words" });
  await world.server.stop();
  await world.server.start();
  await tab.answered(answerOf(60));
  await tab.ready();
}));

test("a tab that lost its network comes back with what it missed", world.visit(async (visit) => {
  const { first, second } = await twoTabs(visit, { expects: [...AWAY, /ERR_INTERNET_DISCONNECTED/] });
  await first.ask("Missed [[tokens=50 hold=10]]");
  const request = await world.provider.held("Missed");
  const id = await first.chatId();
  await second.page.locator(`[data-chat-id="${id}"] [data-testid="chat-link"]`).click();
  await second.answered(answerOf(10), "writing");
  await second.page.context().setOffline(true);
  await second.id("offline-bar").waitFor({ timeout: 60_000 });
  request.release();
  await first.answered(answerOf(50));
  await second.page.context().setOffline(false);
  await second.id("offline-bar").waitFor({ state: "detached", timeout: BACK_LIMIT });
  await second.answered(answerOf(50));
}));
