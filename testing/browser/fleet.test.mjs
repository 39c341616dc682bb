import assert from "node:assert/strict";
import { test } from "node:test";
import { signIn } from "../support/api.mjs";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World({ fleet: true });

/** Two browsers of one person, with a session each, on different nodes. */
async function onBothNodes(visit) {
  const session = await world.user();
  const other = await signIn(world.other.url, session);
  return { first: await visit.tab(session), second: await visit.tab(other, { server: world.other }) };
}

test("an answer streams in both browsers, whichever node they are on, and stops from either", world.visit(async (visit) => {
  const { first, second } = await onBothNodes(visit);
  await first.ask("Across [[tokens=20 hold=6]]");
  const request = await world.provider.held("Across");
  const id = await first.chatId();
  await second.page.locator(`[data-chat-id="${id}"] [data-testid="chat-link"]`).click();
  await second.question("Across").waitFor();
  await first.answered(answerOf(6), "writing");
  await second.answered(answerOf(6), "writing");
  request.release();
  await first.answered(answerOf(20));
  await second.answered(answerOf(20));
  await second.row("About Across").waitFor();
  await first.ask("To be stopped [[tokens=30 hold=8]]");
  const stopped = await world.provider.held("To be stopped");
  await second.answered(answerOf(8), "writing");
  await second.id("stop").click();
  await until(() => stopped.cutAt, { what: "the end of the provider's connection" });
  await first.id("answer-stopped").waitFor();
  await second.id("answer-stopped").waitFor();
}));

test("signing out in one browser ends that session on both nodes, and not the other", world.visit(async (visit) => {
  const { first, second } = await onBothNodes(visit);
  const token = await first.page.evaluate(() => localStorage.getItem("token"));
  await first.id("account-menu").click();
  await first.id("sign-out").click();
  await first.id("auth-form").waitFor();
  await until(
    async () => (await fetch(`${world.other.url}/api/v1/auths/`, { headers: { authorization: `Bearer ${token}` } })).status === 401,
    { what: "the other node refuses the token" },
  );
  await second.ask("Still here [[tokens=3]]");
  await second.answered(answerOf(3));
  assert.equal(await second.page.locator('[data-testid="connection"][data-state="online"]').count(), 1);
}));
