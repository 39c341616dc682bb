import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf, FOLLOW_UPS } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World();

/** Time within which stop has to reach the provider. */
const STOP_WITHIN = 1000;

test("a model is chosen and its answer arrives piece by piece", world.visit(async (visit) => {
  const { tab, api } = await visit.fresh();
  await tab.id("model-picker").click();
  await tab.page.locator('[data-model-id="scripted-two"]').click();
  await tab.shows(tab.id("model-picker"), /scripted-two/);
  await tab.ask("Rivers [[tokens=12 hold=4 usage]]");
  const request = await world.provider.held("Rivers");
  assert.equal(request.model, "scripted-two");
  // The provider stands still, so this is all there can be.
  await tab.answered(answerOf(4), "writing");
  assert.equal(await tab.lastAnswer.getAttribute("aria-busy"), "true");
  request.release();
  await tab.answered(answerOf(12));
  await tab.row("About Rivers").waitFor();
  await tab.shows(tab.id("chat-title"), "About Rivers");
  await tab.id("follow-ups").waitFor();
  assert.deepEqual(await tab.id("follow-up").allInnerTexts(), FOLLOW_UPS);
  const chat = await api.ok("GET", `/api/v1/chats/${await tab.chatId()}`);
  const stored = Object.values(chat.chat.history.messages).find((message) => message.role === "assistant");
  assert.equal(stored.content, answerOf(12));
  assert.equal(stored.done, true);
  assert.equal(stored.usage.completion_tokens, 12);
}));

test("every delta of a quick answer arrives, in order and once", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Many [[tokens=1500]]");
  await tab.answered(answerOf(1500));
  await tab.reload();
  await tab.answered(answerOf(1500));
}));

test("a conversation goes on: the model gets what was said before", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("First question [[tokens=3]]");
  await tab.answered(answerOf(3));
  await tab.id("follow-up").first().click();
  await tab.question(FOLLOW_UPS[0]).waitFor();
  await tab.answered(answerOf(12));
  const request = await world.provider.asked(FOLLOW_UPS[0]);
  assert.deepEqual(
    request.body.messages.map(({ role, content }) => [role, content]),
    [["user", "First question [[tokens=3]]"], ["assistant", answerOf(3)], ["user", FOLLOW_UPS[0]]],
  );
}));

test("reasoning and tool calls are shown apart from the answer", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Weather [[reasoning=5 tokens=4 tool=look_up_weather]]");
  await tab.state("done");
  await tab.id("reasoning").locator("summary").click();
  await tab.shows(tab.id("reasoning"), /thought1 thought2 thought3 thought4 thought5/);
  await tab.shows(tab.id("tool-call"), /look_up_weather/);
  await tab.shows(tab.lastAnswer.getByTestId("answer-body"), /word1 word2 word3 word4/);
}));

test("stop reaches the provider within a second and keeps the text", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Stopped [[tokens=30 hold=5]]");
  const request = await world.provider.held("Stopped");
  await tab.answered(answerOf(5), "writing");
  const asked = performance.now();
  await tab.id("stop").click();
  await until(() => request.cutAt, { what: "the end of the provider's connection" });
  assert(request.cutAt - asked < STOP_WITHIN, `took ${Math.round(request.cutAt - asked)} ms`);
  await tab.id("answer-stopped").waitFor();
  await tab.shows(tab.lastAnswer.getByTestId("answer-body"), /^word1 word2 word3 word4 word5\s/);
  await tab.reload();
  await tab.id("answer-stopped").waitFor();
  await tab.shows(tab.lastAnswer.getByTestId("answer-body"), /^word1 word2 word3 word4 word5\s/);
  await tab.ask("And on [[tokens=4]]");
  await tab.answered(answerOf(4));
}));

test("Escape stops, also before the first word", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Silent [[hang]]");
  const request = await world.provider.asked("Silent");
  await tab.page.keyboard.press("Escape");
  await until(() => request.cutAt, { what: "the end of the provider's connection" });
  await tab.id("answer-stopped").waitFor();
  await tab.id("continue").click();
  await tab.answered(answerOf(12));
}));

test("a reload in the middle shows the text so far and the rest exactly once", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Reloaded [[tokens=300 hold=120]]");
  const request = await world.provider.held("Reloaded");
  await tab.answered(answerOf(120), "writing");
  await tab.reload();
  await tab.answered(answerOf(120), "writing");
  await tab.id("stop").waitFor();
  request.release();
  await tab.answered(answerOf(300));
}));

test("a reload while deltas flow loses and doubles nothing", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Flowing [[tokens=250 delay=10]]");
  await until(async () => (await tab.answerText()).includes("word20"), { what: "the first words" });
  await tab.reload();
  await until(async () => (await tab.answerText()).includes("word90"), { what: "more words" });
  await tab.reload();
  await tab.answered(answerOf(250));
}));

test("leaving a chat does not stop its answer", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Left alone [[tokens=40 hold=10]]");
  const request = await world.provider.held("Left alone");
  await tab.row("Left alone").or(tab.row("New chat")).getByTestId("active-dot").waitFor();
  await tab.id("new-chat").click();
  await tab.id("welcome").waitFor();
  // Reading and writing are stamped in seconds: what ends in the second it was last read in counts as read.
  const left = Math.floor(Date.now() / 1000);
  await until(() => Math.floor(Date.now() / 1000) > left, { what: "the next second" });
  request.release();
  await tab.row("About Left alone").getByTestId("unread-dot").waitFor();
  await tab.row("About Left alone").getByTestId("chat-link").click();
  await tab.answered(answerOf(40));
  await tab.row("About Left alone").getByTestId("unread-dot").waitFor({ state: "detached" });
}));

test("another answer is a branch beside the first", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  world.provider.texts.set("again-question", "The first answer.");
  await tab.ask("Again [[text=again-question]]");
  await tab.answered("The first answer.");
  world.provider.texts.set("again-question", "The second answer.");
  await tab.id("regenerate").click();
  await tab.answered("The second answer.");
  await tab.shows(tab.lastAnswer.getByTestId("branch-place"), "2/2");
  await tab.lastAnswer.getByTestId("branch-previous").click();
  await tab.answered("The first answer.");
  await tab.reload();
  await tab.answered("The first answer.");
  await tab.lastAnswer.getByTestId("branch-next").click();
  await tab.answered("The second answer.");
}));

test("an edited question is a branch of its own, and the old one stays", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Edited before [[tokens=3]]");
  await tab.answered(answerOf(3));
  await tab.id("edit").click();
  await tab.id("edit-input").fill("Edited after [[tokens=5]]");
  await tab.id("edit-send").click();
  await tab.question("Edited after").waitFor();
  await tab.answered(answerOf(5));
  const request = await world.provider.asked("Edited after");
  assert.equal(request.body.messages.length, 1, "the old question is not part of the new conversation");
  const question = tab.question("Edited after");
  await tab.shows(question.getByTestId("branch-place"), "2/2");
  await question.getByTestId("branch-previous").click();
  await tab.question("Edited before").waitFor();
  await tab.answered(answerOf(3));
  await tab.reload();
  await tab.question("Edited before").waitFor();
}));

test("a provider's error is shown with its cause, and the chat goes on", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  await tab.ask("Failing [[fail=500]]");
  await tab.state("failed");
  await tab.shows(tab.id("answer-error"), /told to fail with 500|500/);
  await tab.reload();
  await tab.id("answer-error").waitFor();
  const before = world.provider.requests.length;
  await tab.id("retry").click();
  await world.provider.asked("Failing", { after: before });
  await tab.state("failed");
  await tab.ask("Going on [[tokens=6]]");
  await tab.answered(answerOf(6));
}));

for (const [name, directive, what] of [
  ["a provider that dies midway", "die=7", "dies"],
  ["garbage in the stream", "garbage=7", "garbage"],
]) {
  test(`${name} leaves the text so far and a clear end`, world.visit(async (visit) => {
    const { tab } = await visit.fresh();
    await tab.ask(`It ${what} [[tokens=30 ${directive}]]`);
    await tab.state("failed");
    const shown = async () => {
      await tab.shows(tab.lastAnswer.getByTestId("answer-body"), /^word1 word2 word3 word4 word5 word6 word7\s/);
      await tab.shows(tab.id("answer-error"), /\w+/);
    };
    await shown();
    assert.equal(await tab.id("stop").count(), 0);
    await tab.reload();
    await shown();
    await tab.ask("After it [[tokens=4]]");
    await tab.answered(answerOf(4));
  }));
}

test("a temporary chat answers and leaves nothing behind", world.visit(async (visit) => {
  const { tab, api } = await visit.fresh();
  await tab.id("temporary-toggle").click();
  await tab.id("temporary-note").waitFor();
  await tab.ask("Between us [[tokens=5]]");
  await tab.answered(answerOf(5));
  await tab.ask("And more [[tokens=7]]");
  await tab.answered(answerOf(7));
  const request = await world.provider.asked("And more");
  assert.equal(request.body.messages.length, 3, "the conversation is sent along");
  assert.deepEqual(await api.ok("GET", "/api/v1/chats/?page=1"), []);
  await tab.reload();
  await tab.id("welcome").waitFor();
}));
