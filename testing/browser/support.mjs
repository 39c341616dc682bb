/** One server, one provider and one browser for a file of tests; readers and their tabs for each test. */

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { addUser, Api, signUp } from "../support/api.mjs";
import { IdentityProvider } from "../support/oidc.mjs";
import { Provider } from "../support/provider.mjs";
import { Redis } from "../support/redis.mjs";
import { Server } from "../support/server.mjs";
import { LIMIT, until } from "../support/wait.mjs";
import { launchBrowser } from "./launch.mjs";

const SCREENSHOTS = join(import.meta.dirname, "../../target/screenshots");

/** What a file of tests runs against. */
export class World {
  #options;
  #folder = null;
  browser;
  server;
  other;
  redis;
  provider;
  /** The provider at which people sign in, with `identity: true`. */
  identity;
  /** The administrator, when `administrator` was not switched off. */
  admin;

  /**
   * `environment` adds variables of the server; `administrator: false` leaves the server without an account;
   * `provider: false` starts none; `fleet: true` starts a second node, `other`, with the same database, and Redis.
   */
  constructor(options = {}) {
    this.#options = { environment: {}, administrator: true, provider: true, identity: false, fleet: false, ...options };
    before(() => this.#start());
    after(() => this.#stop());
  }

  /** The body of a test. It fails also when a page reported something that it should not have. */
  visit(body) {
    return async (context) => {
      const visit = new Visit(this);
      try {
        await body(visit);
        visit.assertClean();
      } catch (error) {
        await visit.picture(context.name);
        const told = [...visit.problems(), this.server.ending].filter(Boolean);
        if (told.length > 0) error.stack = `${error.stack}\n\nBesides:\n${told.join("\n")}`;
        throw error;
      } finally {
        await visit.close();
      }
    };
  }

  /** A fresh account, so that tests do not see each other's chats. */
  async user(options) {
    return await addUser(this.server.url, this.admin, options);
  }

  async #start() {
    const { environment, administrator, provider, identity, fleet } = this.#options;
    if (identity) this.identity = await IdentityProvider.start();
    if (provider) this.provider = await Provider.start();
    const variables = {
      ...this.provider?.environment,
      // Without records of access, only administrators would see the provider's models.
      BYPASS_MODEL_ACCESS_CONTROL: "true",
      ...this.identity?.environment,
      ...environment,
    };
    if (fleet) Object.assign(variables, await this.#shared());
    this.server = await Server.start(variables);
    if (fleet) this.other = await Server.start(variables);
    if (administrator) this.admin = await signUp(this.server.url);
    this.browser = await launchBrowser();
  }

  /** What the nodes of a fleet share, in the words of their variables. */
  async #shared() {
    this.redis = await Redis.start();
    this.#folder = await mkdtemp(join(tmpdir(), "antiphon-fleet-"));
    return {
      REDIS_URL: this.redis.url,
      WEBSOCKET_MANAGER: "redis",
      WEBSOCKET_REDIS_URL: this.redis.url,
      WEBUI_SECRET_KEY: "of-both-nodes",
      DATABASE_URL: `sqlite:///${join(this.#folder, "shared.db")}`,
    };
  }

  async #stop() {
    await this.browser?.close();
    try {
      await this.other?.dispose();
      await this.server?.dispose();
    } finally {
      await this.provider?.stop();
      await this.identity?.stop();
      await this.redis?.stop();
      if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
    }
  }
}

/** What one test opens. */
class Visit {
  #tabs = [];
  #contexts = [];

  constructor(world) {
    this.world = world;
  }

  /**
   * A reader in a browser of their own: `session` signs them in, `size` is `[width, height]`, `dark` their system's
   * preference, `expects` lists what their pages may report.
   */
  async reader({ session = null, server = this.world.server, size = [1440, 900], dark = false, touch = false, expects = [], permissions = [] } = {}) {
    const { url } = server;
    const context = await this.world.browser.newContext({
      viewport: { width: size[0], height: size[1] },
      colorScheme: dark ? "dark" : "light",
      reducedMotion: "reduce",
      hasTouch: touch,
      isMobile: touch,
      locale: "en-GB",
      timezoneId: "Europe/Zurich",
      permissions,
      storageState: session ? signedIn(url, session.token) : undefined,
    });
    context.setDefaultTimeout(LIMIT);
    this.#contexts.push(context);
    return new Reader(this, context, url, expects);
  }

  /** A tab of a signed-in reader. */
  async tab(session, { path = "/", ...options } = {}) {
    const reader = await this.reader({ session, ...options });
    const tab = await reader.open(path);
    await tab.ready();
    return tab;
  }

  /** A tab of a fresh account. */
  async fresh(options) {
    const session = await this.world.user();
    return { session, api: new Api(this.world.server.url, session.token), tab: await this.tab(session, options) };
  }

  add(tab) {
    this.#tabs.push(tab);
  }

  problems() {
    return this.#tabs.flatMap((tab) => tab.problems);
  }

  assertClean() {
    assert.deepEqual(this.problems(), [], "the pages report no problem");
  }

  async picture(name) {
    const file = name.replaceAll(/[^a-z0-9]+/gi, "-").slice(0, 60);
    for (const [index, tab] of this.#tabs.entries()) {
      await tab.screenshot(`failures/${file}-${index + 1}`).catch(() => undefined);
    }
  }

  async close() {
    for (const context of this.#contexts) await context.close();
  }
}

class Reader {
  constructor(visit, context, url, expects) {
    this.visit = visit;
    this.context = context;
    this.url = url;
    this.expects = expects;
  }

  async open(path = "/") {
    const page = await this.context.newPage();
    const tab = new Tab(page, this.url, this.expects);
    this.visit.add(tab);
    await page.goto(this.url + path);
    return tab;
  }
}

/** One tab, in the words of the page. */
export class Tab {
  problems = [];
  #expects;

  constructor(page, url, expects) {
    this.page = page;
    this.#expects = expects;
    page.on("console", (message) => {
      if (message.type() !== "error") return;
      const { url } = message.location();
      this.#report(`console: ${message.text()}${url ? ` (${url})` : ""}`);
    });
    page.on("pageerror", (error) => this.#report(`error: ${error.stack ?? error}`));
    page.on("dialog", (dialog) => {
      this.#report(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => undefined);
    });
    page.on("request", (request) => {
      const address = new URL(request.url());
      if (/^(https?|wss?):$/.test(address.protocol) && address.host !== new URL(url).host) {
        this.#report(`request to another host: ${request.url()}`);
      }
    });
  }

  #report(text) {
    if (!this.#expects.some((expected) => expected.test(text))) this.problems.push(text);
  }

  id(testid) {
    return this.page.getByTestId(testid);
  }

  /** The page of a signed-in reader, with a live socket. */
  async ready() {
    await this.page.locator('[data-testid="connection"][data-state="online"], [data-testid="admin"]').first().waitFor();
  }

  async reload() {
    await this.page.reload();
    await this.ready();
  }

  async ask(question) {
    await this.id("composer").fill(question);
    // Until the models are there, nothing is sent.
    await this.page.locator('[data-testid="send"]:enabled').waitFor();
    await this.id("composer").press("Enter");
    await this.question(question).waitFor();
  }

  /** The shown question with this text. */
  question(text) {
    return this.id("question").filter({ hasText: text });
  }

  get answers() {
    return this.id("answer");
  }

  get lastAnswer() {
    return this.answers.last();
  }

  /** The text of the last answer, without what stands around it. */
  async answerText() {
    return (await this.lastAnswer.getByTestId("answer-body").innerText()).trim();
  }

  /** Waits until the last answer is in this state with exactly this text. */
  async answered(text, state = "done") {
    await until(
      async () => (await this.lastAnswer.getAttribute("data-state")) === state && (await this.answerText()) === text,
      { what: `an answer “${text.slice(0, 60)}” in the state ${state}` },
    ).catch(async (error) => {
      const seen = await this.answerText().catch(() => "no answer");
      const at = await this.lastAnswer.getAttribute("data-state").catch(() => null);
      throw new Error(`${error.message}\nshown (${at}): ${seen}`);
    });
  }

  /** Waits until the last answer has the state. */
  async state(wanted) {
    await this.page.locator(`[data-testid="answer"][data-state="${wanted}"]`).last().waitFor();
  }

  /** Waits until an element shows this text. */
  async shows(locator, wanted) {
    const matches = (text) => (wanted instanceof RegExp ? wanted.test(text) : text.trim() === wanted);
    await until(async () => matches(await locator.innerText({ timeout: 1000 })), { what: `the text ${wanted} in ${locator}` });
  }

  /** Id of the open chat, from the address. */
  async chatId() {
    await this.page.waitForURL(/\/c\/[^/]+$/);
    return new URL(this.page.url()).pathname.split("/").pop();
  }

  /** The row of a chat in the list. */
  row(title) {
    return this.id("chat-list").getByTestId("chat-row").filter({ hasText: title });
  }

  /** Opens the menu of a row and chooses an entry. */
  async choose(title, entry) {
    await this.row(title).hover();
    await this.row(title).getByTestId("chat-menu").click();
    await this.page.locator(`[data-testid="${entry}"]:visible`).click();
  }

  async screenshot(name) {
    const path = join(SCREENSHOTS, `${name}.png`);
    await mkdir(join(path, ".."), { recursive: true });
    await this.page.screenshot({ path, animations: "disabled", caret: "initial" });
  }
}

/** What a browser keeps of a session. */
function signedIn(url, token) {
  const cookie = { name: "token", value: token, domain: "127.0.0.1", path: "/", expires: -1, httpOnly: true, secure: false, sameSite: "Lax" };
  return { cookies: [cookie], origins: [{ origin: url, localStorage: [{ name: "token", value: token }] }] };
}
