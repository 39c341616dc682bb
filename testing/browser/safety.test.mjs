import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { Api } from "../support/api.mjs";
import { World } from "./support.mjs";

const world = new World();

// The corpus of the page's own tests: there each text is parsed, here a browser has them all before it.
const source = await readFile(new URL("../../web/test/corpus.ts", import.meta.url), "utf8");
const { ATTACKS } = await import(`data:text/javascript,${encodeURIComponent(source.replace(": string[]", ""))}`);

const MARKDOWN = `# Rivers

A *short* text with **weight**, \`code\` and a [link](https://example.com/rivers).

1. First
2. Second

| River | Length |
|---|---:|
| Aare | 288 km |

> Said by somebody.

\`\`\`rust
fn main() {
    println!("<b>not bold</b>");
}
\`\`\`
`;

/** Whether anything of an attack got into the document. */
function foundInPage() {
  const loaded = new URL(location.href).host;
  const elements = "main :is(script, iframe, object, embed, form[action], style, link, base, meta, svg script, animate)";
  const forbidden = [...document.querySelectorAll(elements)].map((node) => node.outerHTML);
  const handlers = [...document.querySelectorAll("*")]
    .flatMap((node) => [...node.attributes].map((attribute) => `${node.localName} ${attribute.name}=${attribute.value}`))
    .filter((text) => /^\S+ on/i.test(text));
  const links = [...document.querySelectorAll("a[href]")]
    .filter((link) => !["http:", "https:", "mailto:", "tel:"].includes(link.protocol) || (link.host !== loaded && !link.rel.includes("noopener")))
    .map((link) => link.outerHTML);
  const pictures = [...document.querySelectorAll("main img")].filter((image) => new URL(image.src).host !== loaded).map((image) => image.outerHTML);
  return { forbidden, handlers, links, pictures, ran: window.attacked ?? null };
}

const NOTHING = { forbidden: [], handlers: [], links: [], pictures: [], ran: null };

test("no attack in a question, an answer or a title runs or leaves the page", world.visit(async (visit) => {
  assert(ATTACKS.length > 60, "the corpus was read");
  // A missing picture of this server is no attack.
  const reader = await visit.reader({ session: await world.user(), expects: [/Failed to load resource.*(404|401|405)/] });
  await reader.context.addInitScript(() => {
    for (const name of ["alert", "confirm", "prompt"]) window[name] = () => (window.attacked = name);
  });
  const tab = await reader.open("/");
  await tab.ready();
  for (let from = 0; from < ATTACKS.length; from += 20) {
    const text = ATTACKS.slice(from, from + 20).join("\n\n");
    const name = `attacks-${from}`;
    world.provider.texts.set(name, text);
    world.provider.texts.set(`title-${from}`, ATTACKS[from]);
    await tab.id("new-chat").click();
    await tab.ask(`${text.slice(0, 3000)} [[text=${name} title=title-${from}]]`);
    await tab.state("done");
    await tab.id("follow-ups").waitFor();
    if (from === 0) await tab.shows(tab.id("chat-title"), ATTACKS[0]);
    assert.deepEqual(await tab.page.evaluate(foundInPage), NOTHING);
    await tab.reload();
    await tab.state("done");
    assert.deepEqual(await tab.page.evaluate(foundInPage), NOTHING);
  }
}));

test("an attack in a name is text in the administration too", world.visit(async (visit) => {
  const attack = '<img src=x onerror="alert(1)">';
  await world.user({ name: attack });
  const reader = await visit.reader({ session: world.admin });
  await reader.context.addInitScript(() => (window.alert = () => (window.attacked = "alert")));
  const tab = await reader.open("/admin/users");
  await tab.id("users").getByText(attack).waitFor();
  assert.deepEqual(await tab.page.evaluate(foundInPage), NOTHING);
}));

test("the page's policy forbids scripts and styles that were not served with it", world.visit(async (visit) => {
  const policies = [/Content Security Policy/];
  const tab = await visit.tab(world.admin, { expects: policies });
  const response = await tab.page.request.get(world.server.url);
  const policy = response.headers()["content-security-policy"];
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|\*/);
  const ran = await tab.page.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "window.attacked = 'inline'";
    document.body.append(script);
    return window.attacked ?? null;
  });
  assert.equal(ran, null);
}));

test("markdown is shown as what it says, and code can be copied", world.visit(async (visit) => {
  const session = await world.user();
  const tab = await visit.tab(session, { permissions: ["clipboard-read", "clipboard-write"] });
  world.provider.texts.set("markdown", MARKDOWN);
  await tab.ask("Formatted [[text=markdown]]");
  await tab.state("done");
  const body = tab.lastAnswer.getByTestId("answer-body");
  await tab.shows(body.locator("h1, h2, h3").first(), "Rivers");
  await tab.shows(body.locator("em"), "short");
  await tab.shows(body.locator("strong"), "weight");
  await tab.shows(body.locator("p code"), "code");
  assert.equal(await body.locator("ol li").count(), 2);
  assert.deepEqual(await body.locator("td").allInnerTexts(), ["Aare", "288 km"]);
  await tab.shows(body.locator("blockquote"), "Said by somebody.");
  const link = body.locator('a[href="https://example.com/rivers"]');
  assert.match(await link.getAttribute("rel"), /noopener/);
  const code = 'fn main() {\n    println!("<b>not bold</b>");\n}';
  await tab.shows(tab.id("code-block").locator("pre"), code);
  await tab.id("code-block").locator("pre span").first().waitFor();
  await tab.id("copy-code").click();
  await tab.page.locator('[data-testid="copy-code"][aria-label="Copied"]').waitFor();
  assert.equal((await tab.page.evaluate(() => navigator.clipboard.readText())).trim(), code);
  await tab.id("copy-answer").click();
  await tab.page.locator('[data-testid="copy-answer"][aria-label="Copied"]').waitFor();
  assert.equal(await tab.page.evaluate(() => navigator.clipboard.readText()), MARKDOWN);
  await tab.id("copy-question").click();
  await tab.page.locator('[data-testid="copy-question"][aria-label="Copied"]').waitFor();
  assert.equal(await tab.page.evaluate(() => navigator.clipboard.readText()), "Formatted [[text=markdown]]");
}));

test("a question is shown as it was typed", world.visit(async (visit) => {
  const session = await world.user();
  const tab = await visit.tab(session);
  await tab.id("composer").fill("# no heading [[tokens=2]]");
  await tab.id("composer").press("Shift+Enter");
  await tab.id("composer").pressSequentially("  **no weight**");
  await tab.id("composer").press("Enter");
  await tab.state("done");
  assert.equal(await tab.id("question-text").innerText(), "# no heading [[tokens=2]]\n  **no weight**");
  const api = new Api(world.server.url, session.token);
  const chat = await api.ok("GET", `/api/v1/chats/${await tab.chatId()}`);
  const question = Object.values(chat.chat.history.messages).find((message) => message.role === "user");
  assert.equal(question.content, "# no heading [[tokens=2]]\n  **no weight**");
}));
