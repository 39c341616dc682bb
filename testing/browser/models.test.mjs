import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World({ environment: { BYPASS_MODEL_ACCESS_CONTROL: "false" } });

test("a model is for administrators until it is opened to everybody", world.visit(async (visit) => {
  const session = await world.user();
  const api = new Api(world.server.url, session.token);
  const theirs = await visit.tab(session, { expects: [/status of 400/] });
  await theirs.id("no-model-note").waitFor();
  assert.equal(await theirs.id("send").isDisabled(), true);

  const tab = await visit.tab(world.admin, { path: "/admin/models" });
  const access = tab.page.locator('[data-model-id="scripted-two"] [data-testid="model-access"]');
  const offered = async () => (await api.ok("GET", "/api/models")).data.map(({ id }) => id).join();
  await access.selectOption("everybody");
  await until(async () => (await offered()) === "scripted-two", { what: "the open model" });
  await tab.page.reload();
  await access.waitFor();
  assert.equal(await access.inputValue(), "everybody");

  await theirs.reload();
  await theirs.shows(theirs.id("model-picker"), /scripted-two/);
  await theirs.id("model-picker").click();
  assert.equal(await theirs.id("model-option").count(), 1, "the other model stays closed");
  await theirs.page.keyboard.press("Escape");
  await theirs.ask("Opened [[tokens=4]]");
  await theirs.answered(answerOf(4));

  await access.selectOption("administrators");
  await until(async () => (await offered()) === "", { what: "the closed model" });
  await theirs.ask("Closed [[tokens=4]]");
  await theirs.state("unsent");
  await theirs.shows(theirs.id("answer-error"), /\w/);
}));
