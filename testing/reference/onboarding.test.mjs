import assert from "node:assert/strict";
import { test } from "node:test";
import { Api, PASSWORD } from "../support/api.mjs";
import { World } from "./world.mjs";

const world = new World({ administrator: false });

/** The client starts the film of its first page once more after it has taken it away. */
const FILM = /^uncaught: .*reading 'play'/;

test("onboarding: the first visitor makes the administrator's account", world.visit(async (visit) => {
  const client = await visit.open("/", { expects: [FILM] });
  await client.page.getByText("Get started").click();
  await client.signUp("Ada Admin", "ada@example.com", PASSWORD);
  await client.closeReleaseNotes();
  await client.openSidebar();
  await client.page.locator("#sidebar").getByText("Ada Admin").waitFor();
  await client.page.getByText("scripted-one").first().waitFor();
  await client.openUserMenu();
  await client.requested("GET /api/usage");
  await client.page.keyboard.press("Escape");

  // The release notes are shown once; the picture that the browser drew is kept.
  await client.page.reload();
  await client.home();
  await client.page.locator("#sidebar").getByText("Ada Admin").waitFor();
  assert.equal(await client.releaseNotes.count(), 0);
  const picture = await client.page.locator('#sidebar img[src*="/profile/image"]').first();
  assert(await picture.evaluate((image) => image.decode().then(() => image.naturalWidth > 0)));

  const { features, onboarding } = (await new Api(world.server.url).get("/api/config")).body;
  assert.equal(features.enable_signup, false);
  assert.equal(onboarding, undefined);
}));
