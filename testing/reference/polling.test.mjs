import { test } from "node:test";
import { answerOf } from "../support/provider.mjs";
import { World } from "./world.mjs";

const world = new World({ environment: { ENABLE_WEBSOCKET_SUPPORT: "false" } });

test("an answer streams without websockets", world.visit(async (visit) => {
  const { client } = await visit.fresh();
  await client.ask("Rivers [[tokens=30 hold=10]]");
  const request = await world.provider.held("Rivers");
  await client.writes(answerOf(10));
  request.release();
  await client.answered(answerOf(30));
}));
