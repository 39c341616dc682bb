import assert from "node:assert/strict";
import { test } from "node:test";
import { addUser } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./world.mjs";

const world = new World();

test("live: what one browser of a person does appears in the other by itself", world.visit(async (visit) => {
  const account = await addUser(world.server.url, world.admin);
  const first = await visit.signedIn(account);
  const second = await visit.signedIn(account);

  await first.ask("Shared [[tokens=20 hold=6]]");
  const request = await world.provider.held("Shared");
  await first.writes(answerOf(6));
  await second.row("About Shared").click();
  await second.question("Shared").waitFor();
  await second.writes(answerOf(6));
  request.release();
  await first.answered(answerOf(20));
  await second.answered(answerOf(20));

  // A question of the first appears in the second, which stops the answer.
  await first.ask("Endless [[tokens=30 hold=8]]");
  const endless = await world.provider.held("Endless");
  await second.question("Endless").waitFor();
  await first.writes(answerOf(8));
  await second.writes(answerOf(8));
  await second.stopButton.click();
  await until(() => endless.cutAt, { what: "the end of the provider's connection" });
  await first.answered(answerOf(8));
  await second.answered(answerOf(8));

  // And the other way round.
  await second.ask("Back [[tokens=7]]");
  await second.answered(answerOf(7));
  await first.question("Back").waitFor();
  await first.answered(answerOf(7));
  assert.equal(await first.answers.count(), 3);
  assert.equal(await second.answers.count(), 3);
}));
