import { test } from "node:test";
import { answerOf } from "../support/provider.mjs";
import { World } from "./support.mjs";

const world = new World({ environment: { ENABLE_WEBSOCKET_SUPPORT: "false" } });

test("without websockets the page streams, stops and follows other tabs over polling", world.visit(async (visit) => {
  const session = await world.user();
  const [first, second] = [await visit.tab(session), await visit.tab(session)];
  let sockets = 0;
  first.page.on("websocket", () => (sockets += 1));
  await first.ask("Polled [[tokens=30 hold=8]]");
  const request = await world.provider.held("Polled");
  await first.answered(answerOf(8), "writing");
  await second.page.locator(`[data-chat-id="${await first.chatId()}"] [data-testid="chat-link"]`).click();
  await second.answered(answerOf(8), "writing");
  request.release();
  await first.answered(answerOf(30));
  await second.answered(answerOf(30));
  await second.ask("Stopped there [[tokens=30 hold=4]]");
  await world.provider.held("Stopped there");
  await first.answered(answerOf(4), "writing");
  await first.id("stop").click();
  await second.id("answer-stopped").waitFor();
  if (sockets > 0) throw new Error("the page opened a websocket although they are switched off");
}));
