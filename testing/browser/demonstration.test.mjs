import assert from "node:assert/strict";
import { access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { BINARY } from "../support/server.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

/** The demonstration model has to be loaded and reads its prompt with one thread. */
const ANSWER_LIMIT = 60_000;

const skip = process.env.ANTIPHON_WITHOUT_MODEL === "1" ? "ANTIPHON_WITHOUT_MODEL is set" : false;

// As `make run` starts it: no provider is named, the local model is offered by itself.
const world = skip ? null : new World({ provider: false, environment: { ENABLE_OLLAMA_API: "false", OPENAI_API_BASE_URLS: "" } });

test("without a provider, the demonstration model answers", { skip, timeout: 2 * ANSWER_LIMIT }, async (context) => {
  await access(join(dirname(BINARY), "antiphon-local")).catch(() => assert.fail("antiphon-local is not built: cargo build -p antiphon-local"));
  await world.visit(async (visit) => {
    const tab = await visit.tab(world.admin);
    await tab.id("demonstration-note").waitFor();
    await tab.shows(tab.id("model-picker"), /demonstration/);
    await tab.screenshot("desk-day-demonstration");
    await tab.ask("Name three colours.");
    const lengths = new Set();
    await until(async () => {
      lengths.add((await tab.answerText()).length);
      return (await tab.lastAnswer.getAttribute("data-state")) !== "writing";
    }, { what: "the end of the answer", limit: ANSWER_LIMIT });
    assert.equal(await tab.lastAnswer.getAttribute("data-state"), "done", await tab.answerText());
    assert(lengths.size > 3, `piece by piece, not in ${lengths.size} steps`);
    assert.match(await tab.answerText(), /red|blue|green|yellow|colou?r/i);
    await tab.screenshot("desk-day-demonstration-answer");

    await tab.ask("Tell me a long story about the sea.");
    await until(async () => (await tab.answerText()).length > 20, { what: "the first words", limit: ANSWER_LIMIT });
    await tab.id("stop").click();
    await tab.id("answer-stopped").waitFor();
  })(context);
});
