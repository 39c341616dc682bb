import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, FOLLOW_UPS, TAGS } from "../support/provider.mjs";
import { Api } from "../support/api.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./world.mjs";

const world = new World();

/** What the provider was sent with a question, in short. */
const conversation = (request) => request.body.messages.map(({ role, content }) => `${role}: ${content}`);

test("chat: a chosen model answers, with title, suggestions and tags", world.visit(async (visit) => {
  const client = await visit.signedIn(world.admin);
  await client.chooseModel("scripted-two");
  await client.ask("Rivers [[tokens=30 hold=10]]");
  const request = await world.provider.held("Rivers");
  assert.equal(request.model, "scripted-two");
  await client.writes(answerOf(10));
  const id = await client.chatId();
  await client.row("About Rivers").waitFor();
  request.release();
  await client.answered(answerOf(30));
  for (const text of FOLLOW_UPS) await client.page.getByLabel(`Follow up: ${text}`).waitFor();
  await until(async () => (await client.page.title()).startsWith("About Rivers"), { what: "the title of the page" });
  const api = new Api(world.server.url, world.admin.token);
  await until(async () => {
    const tags = await api.ok("GET", `/api/v1/chats/${id}/tags`);
    return tags.map((tag) => tag.name).join() === TAGS.join();
  }, { what: "the tags of the chat" });
}));

test("history: a conversation goes on, is edited, asked again and judged, and a reload shows all of it", world.visit(async (visit) => {
  const { api, client } = await visit.fresh();
  await client.ask("First [[tokens=5]]");
  await client.answered(answerOf(5));
  const id = await client.chatId();
  await client.ask("Second [[tokens=6]]");
  await client.answered(answerOf(6));
  const second = await world.provider.asked("Second");
  assert.deepEqual(conversation(second), [
    "user: First [[tokens=5]]",
    `assistant: ${answerOf(5)}`,
    "user: Second [[tokens=6]]",
  ]);
  await client.page.reload();
  await client.question("First").waitFor();
  await client.question("Second").waitFor();
  await client.answered(answerOf(6));
  assert.equal(await client.answers.count(), 2);

  await client.regenerate();
  await client.page.getByText("2/2").waitFor();
  await client.answered(answerOf(6));
  await client.edit("Second", "Changed [[tokens=7]]");
  await client.answered(answerOf(7));
  const changed = await world.provider.asked("Changed");
  assert.deepEqual(conversation(changed), [
    "user: First [[tokens=5]]",
    `assistant: ${answerOf(5)}`,
    "user: Changed [[tokens=7]]",
  ]);
  assert.equal(await client.question("Second").count(), 0);

  await client.button("Good Response").click();
  await client.requested("POST /api/v1/evaluations/feedback/");
  const { history } = (await api.ok("GET", `/api/v1/chats/${id}`)).chat;
  const judged = history.messages[history.currentId];
  assert.equal(judged.annotation.rating, 1);
  const feedback = await api.ok("GET", `/api/v1/evaluations/feedback/${judged.feedbackId}`);
  assert.equal(feedback.data.rating, 1);
  assert.deepEqual(feedback.data.tags, TAGS);
  assert.equal(feedback.meta.message_id, judged.id);

  await client.page.reload();
  await client.question("Changed").waitFor();
  await client.answered(answerOf(7));
  assert.equal(await client.answers.count(), 2);
  // Back to the branch of the question as it was.
  await client.question("Changed").hover();
  await client.question("Changed").getByLabel("Previous message").click();
  await client.question("Second").waitFor();
  await client.answered(answerOf(6));
}));

test("stop: the provider is cut off, the text so far is kept, and the chat goes on", world.visit(async (visit) => {
  const { api, client } = await visit.fresh();
  await client.ask("Endless [[tokens=40 hold=9]]");
  const request = await world.provider.held("Endless");
  await client.writes(answerOf(9));
  const asked = performance.now();
  await client.stopButton.click();
  await until(() => request.cutAt, { what: "the end of the provider's connection" });
  assert(request.cutAt - asked < 1000, `took ${Math.round(request.cutAt - asked)} ms`);
  await client.answered(answerOf(9));
  const id = await client.chatId();
  await client.page.reload();
  await client.question("Endless").waitFor();
  await client.answered(answerOf(9));
  const { history } = (await api.ok("GET", `/api/v1/chats/${id}`)).chat;
  assert.equal(history.messages[history.currentId].done, true);
  await client.ask("And on [[tokens=4]]");
  await client.answered(answerOf(4));
  assert.equal(await client.answers.count(), 2);
}));

test("resume: an answer outlives a reload and a reader who turns to something else", world.visit(async (visit) => {
  const { api, client } = await visit.fresh();
  await client.ask("Reloaded [[tokens=30 hold=12]]");
  const reloaded = await world.provider.held("Reloaded");
  await client.writes(answerOf(12));
  await client.page.reload();
  await client.question("Reloaded").waitFor();
  await client.writes(answerOf(12));
  reloaded.release();
  await client.answered(answerOf(30));

  await client.newChat();
  await client.ask("Left [[tokens=20 hold=5]]");
  const left = await world.provider.held("Left");
  await client.writes(answerOf(5));
  const id = await client.chatId();
  await client.row("About Reloaded").click();
  await client.question("Reloaded").waitFor();
  // Times are whole seconds: an answer of the second in which it was left does not count as unread.
  const item = async () => (await api.ok("GET", "/api/v1/chats/?page=1")).find((chat) => chat.id === id);
  await until(async () => Date.now() / 1000 >= (await item()).last_read_at + 1, { what: "the next second" });
  left.release();
  await until(async () => {
    const { active, updated_at, last_read_at } = await item();
    return !active && updated_at > last_read_at;
  }, { what: "an answer that nobody has read" });
  await client.answered(answerOf(30));
  await client.row("About Left").click();
  await client.question("Left").waitFor();
  await client.answered(answerOf(20));
  await until(async () => {
    const { updated_at, last_read_at } = await item();
    return updated_at <= last_read_at;
  }, { what: "an answer that was read" });
}));

test("temporary: a temporary chat answers, is not listed and not kept", world.visit(async (visit) => {
  const { api, client } = await visit.fresh();
  await client.page.locator("#temporary-chat-button").click();
  await client.page.waitForURL(/temporary-chat=true/);
  await client.ask("Secret [[tokens=5]]");
  await client.answered(answerOf(5));
  await client.ask("Another [[tokens=6]]");
  await client.answered(answerOf(6));
  assert.deepEqual(conversation(await world.provider.asked("Another")), [
    "user: Secret [[tokens=5]]",
    `assistant: ${answerOf(5)}`,
    "user: Another [[tokens=6]]",
  ]);
  for (const text of FOLLOW_UPS) await client.page.getByLabel(`Follow up: ${text}`).waitFor();
  assert.match(client.page.url(), /\/\?temporary-chat=true$/);
  assert.equal(await client.listed.count(), 0);
  assert.deepEqual(await api.ok("GET", "/api/v1/chats/?page=1"), []);
  await client.page.goto(`${world.server.url}/`);
  await client.home();
  assert.equal(await client.answers.count(), 0);
}));
