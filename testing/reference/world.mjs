/** The reference's web client, served by our server: one server, one provider and one browser for a file of tests. */

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before } from "node:test";
import { launchBrowser } from "../browser/launch.mjs";
import { addUser, Api, signUp } from "../support/api.mjs";
import { Provider } from "../support/provider.mjs";
import { Server } from "../support/server.mjs";
import { Client, PAGE_LIMIT } from "./client.mjs";

const SCREENSHOTS = join(import.meta.dirname, "../../target/screenshots/reference");

/**
 * What every page may report. The client asks for channels whenever its socket connects, also where they are off, as they
 * are by default; the refusal is shown nowhere.
 */
const ALWAYS_EXPECTED = [/^403: GET \/api\/v1\/channels\/$/, /status of 403 .*\/api\/v1\/channels\/\)$/];

export class World {
  #administrator;
  #environment;
  server;
  provider;
  browser;
  /** The administrator, when `administrator` was not switched off. */
  admin;

  /** `administrator: false` leaves the server without an account; `environment` adds variables of the server. */
  constructor({ administrator = true, environment = {} } = {}) {
    this.#administrator = administrator;
    this.#environment = environment;
    before(() => this.#start());
    after(() => this.#stop());
  }

  /** The body of a test. It fails also when a page reported something that it should not have. */
  visit(body) {
    return async (context) => {
      const visit = new Visit(this);
      try {
        await body(visit);
        await visit.picture(context.name);
        assert.deepEqual(visit.problems(), [], "the pages report no problem");
      } catch (error) {
        await visit.picture(`failure of ${context.name}`);
        const told = [...visit.problems(), this.server.ending].filter(Boolean);
        if (told.length > 0) error.stack = `${error.stack}\n\nBesides:\n${told.join("\n")}`;
        throw error;
      } finally {
        await visit.close();
      }
    };
  }

  async #start() {
    assert(process.env.REFERENCE_CLIENT, "REFERENCE_CLIENT names the folder of the client; testing/reference/run sets it");
    this.provider = await Provider.start();
    this.server = await Server.start({
      ...this.provider.environment,
      FRONTEND_BUILD_DIR: process.env.REFERENCE_CLIENT,
      // Without records of access, only administrators would see the provider's models.
      BYPASS_MODEL_ACCESS_CONTROL: "true",
      ...this.#environment,
    });
    if (this.#administrator) this.admin = await signUp(this.server.url);
    this.browser = await launchBrowser();
  }

  async #stop() {
    await this.browser?.close();
    try {
      await this.server?.dispose();
    } finally {
      await this.provider?.stop();
    }
  }
}

/** What one test opens. */
class Visit {
  #contexts = [];
  #clients = [];

  constructor(world) {
    this.world = world;
  }

  /** A fresh browser at `path`; `expects` lists what its page may report. */
  async open(path = "/", { expects = [] } = {}) {
    const context = await this.world.browser.newContext({
      viewport: { width: 1440, height: 900 },
      reducedMotion: "reduce",
      locale: "en-US",
      timezoneId: "Europe/Zurich",
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(PAGE_LIMIT);
    const page = await context.newPage();
    const client = new Client(page, this.world);
    this.#clients.push(client);
    client.expected.push(...ALWAYS_EXPECTED, ...expects);
    await watch(page, client);
    await page.goto(this.world.server.url + path);
    return client;
  }

  /** A fresh browser of an account, signed in through the form, with the list of chats open. */
  async signedIn(account, options) {
    const client = await this.open("/auth", options);
    await client.signIn(account.email, account.password);
    if (account.role === "admin") await client.closeReleaseNotes();
    await client.openSidebar();
    return client;
  }

  /** A fresh account in a browser, and its API. */
  async fresh(options) {
    const account = await addUser(this.world.server.url, this.world.admin);
    const api = new Api(this.world.server.url, account.token);
    return { account, api, client: await this.signedIn(account, options) };
  }

  problems() {
    return this.#clients.flatMap((client) => client.problems);
  }

  async picture(name) {
    await mkdir(SCREENSHOTS, { recursive: true });
    const file = name.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 80);
    for (const [index, client] of this.#clients.entries()) {
      const path = join(SCREENSHOTS, `${file}-${index + 1}.png`);
      await client.page.screenshot({ path }).catch(() => undefined);
    }
  }

  async close() {
    for (const context of this.#contexts) await context.close();
  }
}

/** Collects what goes wrong on a page: errors in its console, refused requests, error toasts. */
async function watch(page, client) {
  const report = (problem) => client.report(problem);
  page.on("console", (message) => {
    if (message.type() === "error") report(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => report(`uncaught: ${error?.stack || JSON.stringify(error)}`));
  page.on("response", (response) => {
    const { pathname, search } = new URL(response.url());
    const request = `${response.request().method()} ${pathname}${search}`;
    client.requests.push(request);
    if (response.status() >= 400) report(`${response.status()}: ${request}`);
  });
  page.on("requestfailed", (request) => {
    // Aborted: the page moved on while something loaded.
    const cause = request.failure()?.errorText;
    if (cause !== "net::ERR_ABORTED") report(`${cause}: ${request.method()} ${request.url()}`);
  });
  await page.exposeBinding("toldByToast", (_, text) => report(`toast: ${text}`));
  await page.addInitScript(() => {
    const told = new WeakSet();
    const look = () => {
      for (const toast of document.querySelectorAll('[data-sonner-toast][data-type="error"]')) {
        if (told.has(toast)) continue;
        told.add(toast);
        window.toldByToast(toast.textContent.trim());
      }
    };
    new MutationObserver(look).observe(document, { childList: true, subtree: true, attributeFilter: ["data-type"] });
  });
}
