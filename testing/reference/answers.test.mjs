import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { PAGE_LIMIT } from "./client.mjs";
import { World } from "./world.mjs";

const world = new World();

test("reasoning is shown apart from the answer", world.visit(async (visit) => {
  const { client } = await visit.fresh();
  const shown = async () => {
    await client.question("Rivers").waitFor();
    await client.button("Regenerate").waitFor();
    const text = await client.answerText();
    assert(text.endsWith(answerOf(9)) && text.startsWith("Thought"), text);
  };
  await client.ask("Rivers [[tokens=9 reasoning=8 usage]]");
  await shown();
  await client.page.reload();
  await shown();
}));

test("two models answer side by side", world.visit(async (visit) => {
  const { client } = await visit.fresh();
  const shown = async () => {
    await client.question("Rivers").waitFor();
    await until(async () => (await client.page.getByText(answerOf(9), { exact: true }).count()) === 2, {
      what: "two answers",
      limit: PAGE_LIMIT,
    });
    await client.stopButton.waitFor({ state: "detached" });
  };
  await client.page.goto(`${world.server.url}/?models=scripted-one,scripted-two`);
  await client.home();
  await client.ask("Rivers [[tokens=9]]");
  await shown();
  await client.page.reload();
  await shown();
}));

test("a failure of the provider is told with the answer, which is kept as far as it came", world.visit(async (visit) => {
  const { client } = await visit.fresh({ expects: [/^toast: .*(error \(500\)|broke off)/] });
  const told = (text) => client.messages.last().getByText(text);
  await client.ask("Refused [[fail=500]]");
  await told("error (500)").waitFor();
  await client.ask("Broken [[tokens=9 die=5]]");
  await told("broke off").waitFor();
  await told(answerOf(5)).waitFor();
  await client.stopButton.waitFor({ state: "detached" });
  await client.page.reload();
  await client.question("Refused").waitFor();
  await told("broke off").waitFor();
  await told(answerOf(5)).waitFor();
  await client.ask("On [[tokens=4]]");
  await client.answered(answerOf(4));
}));
