import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World();

/** Asks one question in a new chat and waits for its title. */
async function chat(tab, about) {
  await tab.id("new-chat").click();
  await tab.id("welcome").waitFor();
  await tab.ask(`${about} [[tokens=3]]`);
  await tab.answered(answerOf(3));
  await tab.row(`About ${about}`).waitFor();
}

test("a chat is renamed, and keeps its new name", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.id("list-empty").waitFor();
  await chat(tab, "Names");
  await tab.choose("About Names", "menu-rename");
  await tab.id("rename-input").fill("Given up");
  await tab.id("rename-input").press("Escape");
  await tab.row("About Names").waitFor();
  await tab.choose("About Names", "menu-rename");
  await tab.id("rename-input").fill("What names are for");
  await tab.id("rename-input").press("Enter");
  await tab.row("What names are for").waitFor();
  await tab.shows(tab.id("chat-title"), "What names are for");
  await tab.reload();
  await tab.row("What names are for").waitFor();
  await tab.ask("Another question [[tokens=3]]");
  await tab.answered(answerOf(3));
  await tab.shows(tab.id("chat-title"), "What names are for");
}));

test("a chat is pinned on top and unpinned", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await chat(tab, "Older");
  await chat(tab, "Newer");
  await tab.choose("About Older", "menu-pin");
  await tab.id("pinned-list").getByText("About Older").waitFor();
  await tab.reload();
  await tab.id("pinned-list").getByText("About Older").waitFor();
  const titles = await tab.id("chat-list").getByTestId("chat-link").allInnerTexts();
  assert.deepEqual(titles.map((title) => title.split("\n")[0]), ["About Older", "About Newer"]);
  await tab.choose("About Older", "menu-pin");
  await tab.id("pinned-list").waitFor({ state: "detached" });
}));

test("what the reader does to a chat does not mark it as unread", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await chat(tab, "Read");
  const second = Math.floor(Date.now() / 1000);
  await chat(tab, "Open");
  // Times of chats are whole seconds: a later one than that of the last reading.
  await until(() => Math.floor(Date.now() / 1000) > second + 1, { what: "a later second" });
  await tab.choose("About Read", "menu-rename");
  await tab.id("rename-input").fill("Read twice");
  await tab.id("rename-input").press("Enter");
  await tab.row("Read twice").waitFor();
  await tab.choose("Read twice", "menu-pin");
  await tab.id("pinned-list").getByText("Read twice").waitFor();
  assert.equal(await tab.id("unread-dot").count(), 0);
  await tab.reload();
  await tab.id("pinned-list").getByText("Read twice").waitFor();
  assert.equal(await tab.id("unread-dot").count(), 0);
}));

test("an answer that was seen to its end is read, whatever still follows it", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Seen [[tokens=3 late-title]]");
  await tab.answered(answerOf(3));
  await tab.id("new-chat").click();
  await tab.id("welcome").waitFor();
  // Until now the title was being made, and the server had not said that the chat is over.
  (await world.provider.held("Seen")).release();
  await tab.row("About Seen").waitFor();
  await tab.reload();
  await tab.row("About Seen").waitFor();
  await tab.id("active-dot").waitFor({ state: "detached" });
  assert.equal(await tab.id("unread-dot").count(), 0);
}));

test("search finds a chat by its title and by its text", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await chat(tab, "Glaciers");
  world.provider.texts.set("moss", "Moss and lichen cover the granite.");
  await tab.id("new-chat").click();
  await tab.ask("Plants [[text=moss]]");
  await tab.answered("Moss and lichen cover the granite.");
  await tab.row("About Plants").waitFor();
  await tab.id("search").fill("glacier");
  await tab.shows(tab.id("search-results"), /About Glaciers/);
  assert.equal(await tab.id("search-result").count(), 1);
  await tab.id("search").fill("lichen");
  await tab.shows(tab.id("search-results"), /About Plants/);
  await tab.id("search").fill("nothing like it");
  await tab.id("search-empty").waitFor();
  await tab.id("search").fill("glacier");
  await tab.id("search-result").filter({ hasText: "Glaciers" }).click();
  await tab.question("Glaciers").waitFor();
  await tab.id("search").press("Escape");
  await tab.row("About Plants").waitFor();
}));

test("a chat is archived, found in the archive and brought back", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await chat(tab, "Attic");
  await tab.choose("About Attic", "menu-archive");
  await tab.row("About Attic").waitFor({ state: "detached" });
  await tab.id("account-menu").click();
  await tab.id("open-archive").click();
  await tab.id("archived-row").filter({ hasText: "About Attic" }).getByTestId("archive-restore").click();
  await tab.id("archive-empty").waitFor();
  await tab.id("dialog-close").click();
  await tab.row("About Attic").waitFor();
}));

test("a chat is deleted only when asked twice", world.visit(async (visit) => {
  const { tab, api } = await visit.fresh({ expects: [/status of 40[14]/] });
  await chat(tab, "Gone");
  const id = await tab.chatId();
  await tab.choose("About Gone", "menu-delete");
  await tab.id("keep-chat").click();
  await tab.row("About Gone").waitFor();
  await tab.choose("About Gone", "menu-delete");
  await tab.id("confirm-delete").click();
  await tab.row("About Gone").waitFor({ state: "detached" });
  await tab.id("welcome").waitFor();
  assert.equal((await api.get(`/api/v1/chats/${id}`)).status, 401, "an unknown chat");
  await tab.page.goto(`${world.server.url}/c/${id}`);
  await tab.id("chat-missing").waitFor();
}));

test("a title that arrives while the list is being read is not lost", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Late [[tokens=9 hold=4 late-title]]");
  const reply = await world.provider.held("Late");
  await tab.row("New Chat").getByTestId("active-dot").waitFor();
  // From now on an answer with the list is held back until the title is there.
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  let held = 0;
  await tab.page.route(/\/api\/v1\/chats\/\?page=1/, async (route) => {
    const response = await route.fetch();
    held += 1;
    await gate;
    await route.fulfill({ response });
  });
  reply.release();
  await tab.answered(answerOf(9));
  await until(() => held > 0, { what: "the list from before the title" });
  const title = await world.provider.held("Late");
  title.release();
  await tab.shows(tab.id("chat-title"), "About Late");
  await tab.id("follow-ups").waitFor();
  const arrived = tab.page.waitForEvent("requestfinished", (made) => made.url().includes("/api/v1/chats/?page=1"));
  open();
  await arrived;
  // Once that old list is on the page.
  await tab.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  await tab.row("About Late").waitFor();
  await tab.row("About Late").getByTestId("active-dot").waitFor({ state: "detached" });
}));

test("a long list loads as its end comes near", world.visit(async (visit) => {
  const session = await world.user();
  const api = new Api(world.server.url, session.token);
  const history = { currentId: null, messages: {} };
  for (let number = 1; number <= 130; number += 1) {
    await api.ok("POST", "/api/v1/chats/new", { chat: { title: `Chat ${number}.`, models: [], history, messages: [] } });
  }
  const tab = await visit.tab(session);
  const rows = tab.id("chat-list").getByTestId("chat-row");
  await rows.first().waitFor();
  const first = await rows.count();
  assert(first < 130, `a first page, not all ${first}`);
  await tab.id("sidebar").hover();
  await until(async () => {
    await rows.last().scrollIntoViewIfNeeded();
    return (await rows.count()) === 130;
  }, { what: "all 130 rows" });
  const titles = await rows.allInnerTexts();
  assert.equal(new Set(titles.map((title) => title.split("\n")[0])).size, 130, "each chat once");
}));
