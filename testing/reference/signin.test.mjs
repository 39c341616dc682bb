import assert from "node:assert/strict";
import { test } from "node:test";
import { Api } from "../support/api.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./world.mjs";

const world = new World();

/** What a page may report about a wrong password. */
const REFUSED = [/status of 400 .*auths\/signin/, /^400: POST \/api\/v1\/auths\/signin/, /^toast: /];

/**
 * What the page may report while it is left: its socket is closed with the session, and on its way to the form it asks
 * for its lists once more.
 */
const LEAVING = [/^401: GET \/api\/v1\/ch/, /status of 401 .*\/api\/v1\/ch/, /^uncaught: /];

test("signin: a wrong password is refused, the right one lasts until the person signs out", world.visit(async (visit) => {
  const { email, password } = world.admin;
  const client = await visit.open("/auth", { expects: REFUSED });
  await client.signIn(email, "wrong");
  await until(() => client.requests.includes("POST /api/v1/auths/signin"));
  await client.page.locator('[data-sonner-toast][data-type="error"]').waitFor();
  await client.signIn(email, password);
  await client.closeReleaseNotes();
  await client.openSidebar();

  await client.page.reload();
  await client.home();
  assert.equal(new URL(client.page.url()).pathname, "/");
  const token = await client.page.evaluate(() => localStorage.token);
  const session = new Api(world.server.url, token);
  await session.ok("GET", "/api/v1/auths/");

  await client.openUserMenu();
  client.expected.push(...LEAVING);
  await client.menu.getByText("Sign Out").click();
  await client.signInForm.waitFor();
  assert.equal((await session.get("/api/v1/auths/")).status, 401, "the token is of no use any more");
  await client.page.goto(`${world.server.url}/`);
  await client.signInForm.waitFor();
}));
