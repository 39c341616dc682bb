/** The reference's client in the words of its tests. What these must know of its page stands here and nowhere else. */

import { until } from "../support/wait.mjs";

/** Longest wait for something on the page; the client is large, and a busy machine takes its time over it. */
export const PAGE_LIMIT = 30_000;

export class Client {
  /** Requests that were answered, as `METHOD path?query`. */
  requests = [];
  /** What went wrong on the page and was not expected. */
  problems = [];
  /** What the page may report from now on. */
  expected = [];

  constructor(page, world) {
    this.page = page;
    this.world = world;
  }

  report(problem) {
    if (!this.expected.some((expected) => expected.test(problem))) this.problems.push(problem);
  }

  // Accounts

  async signIn(email, password) {
    await this.page.locator("#email").fill(email);
    await this.page.locator("#password").fill(password);
    await this.page.locator('button[type="submit"]').click();
  }

  async signUp(name, email, password) {
    await this.page.locator("#name").fill(name);
    await this.signIn(email, password);
  }

  /** Waits for the home page of somebody who is signed in. */
  async home() {
    await this.composer.waitFor();
  }

  get signInForm() {
    return this.page.locator("#email");
  }

  /** The dialog that tells an administrator once what is new. */
  get releaseNotes() {
    return this.page.getByText("What's New in");
  }

  async closeReleaseNotes() {
    await this.releaseNotes.waitFor();
    await this.page.getByText("Okay, Let's Go!").click();
    await this.releaseNotes.waitFor({ state: "detached" });
  }

  get menu() {
    return this.page.getByRole("menu");
  }

  async openUserMenu() {
    await this.page.locator('#sidebar button[aria-haspopup="true"]').last().click();
    await this.menu.waitFor();
  }

  // The list of chats

  async openSidebar() {
    const open = this.page.locator('#sidebar[data-state="true"]');
    if (await open.isVisible()) return;
    await this.page.getByLabel("Open Sidebar").first().click();
    await open.waitFor();
  }

  /** The chats in the list. */
  get listed() {
    return this.page.locator('#sidebar a[href^="/c/"]');
  }

  /** The chat of this title in the list. */
  row(title) {
    return this.listed.filter({ hasText: title });
  }

  async newChat() {
    await this.page.locator("#sidebar a#sidebar-new-chat-button").click();
    await this.page.waitForURL((url) => url.pathname === "/");
  }

  // The open chat

  get composer() {
    return this.page.locator("#chat-input");
  }

  get stopButton() {
    return this.page.getByLabel("Stop", { exact: true });
  }

  async ask(question) {
    await this.composer.click();
    await this.page.keyboard.type(question);
    await this.page.keyboard.press("Enter");
    await this.question(question).waitFor();
  }

  /** Id of the open chat, from the address. */
  async chatId() {
    await this.page.waitForURL(/\/c\/[^/]+$/);
    return new URL(this.page.url()).pathname.split("/").pop();
  }

  /** The messages: questions and answers. */
  get messages() {
    return this.page.locator('div[id^="message-"]').filter({ has: this.page.locator(".chat-user, .chat-assistant") });
  }

  /** The message with this question. */
  question(text) {
    return this.messages.filter({ has: this.page.locator(".chat-user") }).filter({ hasText: text });
  }

  get answers() {
    return this.page.locator(".chat-assistant");
  }

  /** The text of the last answer, without what stands around it. */
  async answerText() {
    return (await this.answers.last().innerText()).trim();
  }

  /** Waits until the last answer has exactly this text and is still being written. */
  async writes(text) {
    await this.#shows(text);
    await this.stopButton.waitFor();
  }

  /** Waits until the last answer is complete with exactly this text. */
  async answered(text) {
    await this.#shows(text);
    await this.stopButton.waitFor({ state: "detached" });
    await this.button("Regenerate").waitFor();
  }

  async #shows(text) {
    await until(async () => (await this.answerText()) === text, {
      what: `an answer “${text.slice(0, 60)}”`,
      limit: PAGE_LIMIT,
    }).catch(async (error) => {
      throw new Error(`${error.message}\nshown: ${await this.answerText().catch(() => "no answer")}`);
    });
  }

  /** A button under the last message. */
  button(label) {
    return this.messages.last().getByLabel(label, { exact: true });
  }

  async regenerate() {
    await this.button("Regenerate").click();
    await this.page.getByText("Try Again", { exact: true }).click();
  }

  /** Sends another text in the place of a question. */
  async edit(question, text) {
    await this.question(question).hover();
    await this.question(question).getByLabel("Edit").click();
    await this.page.locator('textarea[id^="message-edit-"]').fill(text);
    await this.page.locator("#confirm-edit-message-button").click();
  }

  // Models

  async chooseModel(name) {
    await this.page.locator("#model-selector-model-button").click();
    await this.page.getByRole("option", { name }).click();
  }

  /** Waits until a request was answered whose `METHOD path` begins so. */
  async requested(beginning) {
    await until(() => this.requests.some((request) => request.startsWith(beginning)), {
      what: `a request ${beginning}`,
      limit: PAGE_LIMIT,
    });
  }
}
