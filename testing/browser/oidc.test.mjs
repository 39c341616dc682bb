import assert from "node:assert/strict";
import { get } from "node:http";
import { test } from "node:test";
import { World } from "./support.mjs";

const world = new World({ environment: { ENABLE_STAR_SESSIONS_MIDDLEWARE: "true" }, identity: true, fleet: true });

const elsewhere = [/request to another host: http:\/\/127\.0\.0\.1/, /favicon\.ico/];
const signedOut = [/status of 401/];

/** What an address answers to a request for another host; redirects are not followed. */
function asked(address, host) {
  return new Promise((done, fail) => {
    const request = get(address, { headers: { host } }, (response) => {
      response.resume();
      done({ status: response.statusCode, headers: response.headers });
    });
    request.once("error", fail);
  });
}

/** The way to the provider and, with an answer there, back to a node. */
async function throughProvider(tab, answer) {
  await tab.id("provider-oidc").click();
  await tab.page.waitForURL(`${world.identity.issuer}/interaction/**`);
  await tab.page.getByLabel("Name").fill("grace");
  await tab.page.getByRole("button", { name: answer }).click();
}

test("a person signs in at a provider, from one node to another, and out again", world.visit(async (visit) => {
  const reader = await visit.reader({ expects: [...elsewhere, ...signedOut] });
  // As with a balancer: another node takes the first request, under the address that people know.
  let begun;
  await reader.context.route(`${world.server.url}/oauth/oidc/login`, async (route) => {
    begun = await asked(`${world.other.url}/oauth/oidc/login`, new URL(world.server.url).host);
    const headers = { location: begun.headers.location, "set-cookie": begun.headers["set-cookie"][0] };
    return route.fulfill({ status: begun.status, headers });
  });
  const tab = await reader.open("/");
  await tab.shows(tab.id("provider-oidc"), /^\s*Continue with Example Id\s*$/);
  await throughProvider(tab, "Continue");
  await tab.page.waitForURL(`${world.server.url}/`);
  await tab.ready();
  await tab.shows(tab.id("account-menu"), /Grace/);
  assert.match(begun.headers["set-cookie"][0], /^owui-session=[0-9a-f]{32};/, "the other node kept the attempt in Redis");
  // The cookie has been set again, out of the reach of scripts.
  assert.equal(await tab.page.evaluate(() => document.cookie), "");
  await tab.reload();
  await tab.shows(tab.id("account-menu"), /Grace/);

  await tab.id("account-menu").click();
  await tab.id("sign-out").click();
  await tab.page.waitForURL(`${world.identity.issuer}/session/end**`);
  const names = (await reader.context.cookies(world.server.url)).map(({ name }) => name);
  for (const name of ["token", "oauth_id_token", "owui-session"]) assert.ok(!names.includes(name), name);
}));

test("what went wrong at the provider stands on the sign-in page, once", world.visit(async (visit) => {
  const tab = await (await visit.reader({ expects: elsewhere })).open("/");
  await tab.id("auth-form").waitFor();
  await throughProvider(tab, "Cancel");
  await tab.page.waitForURL(`${world.server.url}/auth`);
  await tab.shows(tab.id("auth-problem"), /did not let you in/);
  await tab.page.reload();
  await tab.id("provider-oidc").waitFor();
  assert.equal(await tab.id("auth-problem").count(), 0);
}));
