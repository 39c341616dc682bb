import assert from "node:assert/strict";
import { test } from "node:test";
import { answerOf } from "../support/provider.mjs";
import { until } from "../support/wait.mjs";
import { World } from "./support.mjs";

const world = new World();

const WIDTHS = { phone: [390, 844], tablet: [820, 1180], desk: [1440, 900] };

const ANSWER = `Rivers carry water from high ground to the sea. Three things decide how they do it:

1. **The slope.** A steep bed makes fast, shallow water.
2. **The bed.** Rock keeps a river straight; sand lets it wander.
3. **The water itself**, which comes from rain, snow and springs.

| River | Length | Mouth |
|---|---:|---|
| Rhine | 1,233 km | North Sea |
| Aare | 288 km | Rhine |

A small sum in code:

\`\`\`python
def length(sections):
    """Adds up the sections of a river, in kilometres."""
    return sum(section.length for section in sections)
\`\`\`

> All rivers run into the sea; yet the sea is not full.
`;

/** What is wider than the window, or cut off at its edge. */
function tooWide() {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) return [`the page is ${document.documentElement.scrollWidth} wide`];
  const within = (node) => {
    for (let at = node.parentElement; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.overflowX !== "visible" || style.position === "fixed" || style.clipPath !== "none") return true;
    }
    return false;
  };
  return [...document.querySelectorAll("main *")]
    .filter((node) => node.getClientRects().length > 0 && node.getBoundingClientRect().right > width + 1 && !within(node))
    .map((node) => node.outerHTML.slice(0, 120));
}

/** Contrast of every text that is shown, by the formula of WCAG 2; those below AA. */
function lowContrast() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return { rgb: [red, green, blue], alpha: alpha / 255 };
  };
  const over = (top, below) => top.rgb.map((value, index) => value * top.alpha + below[index] * (1 - top.alpha));
  const light = (rgb) => {
    const [red, green, blue] = rgb.map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) layers.unshift(read(getComputedStyle(at).backgroundColor));
    return layers.reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (!own || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (node.closest(":disabled, [inert]") || getComputedStyle(node).clipPath !== "none") continue;
    const style = getComputedStyle(node);
    const below = ground(node);
    const text = over(read(style.color), below);
    const [high, low] = [light(text), light(below)].sort((left, right) => right - left);
    const ratio = (high + 0.05) / (low + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${node.localName}.${node.className} “${node.textContent.trim().slice(0, 30)}”`);
  }
  return found;
}

async function inspect(tab, name) {
  assert.deepEqual(await tab.page.evaluate(tooWide), [], `${name}: nothing is wider than the window`);
  assert.deepEqual(await tab.page.evaluate(lowContrast), [], `${name}: every text can be read`);
  await tab.screenshot(name);
}

for (const [width, size] of Object.entries(WIDTHS)) {
  for (const dark of [false, true]) {
    const look = `${width}-${dark ? "night" : "day"}`;
    test(`the page at ${size[0]} pixels by ${dark ? "night" : "day"}`, world.visit(async (visit) => {
      const touch = width === "phone";
      const options = { size, dark, touch, expects: [/status of (400|404)/] };
      const door = await (await visit.reader(options)).open("/");
      await door.id("auth-form").waitFor();
      await inspect(door, `${look}-sign-in`);
      await door.id("email").fill("ada@example.com");
      await door.id("password").fill("wrong password");
      await door.id("submit").click();
      await door.id("auth-problem").waitFor();
      await inspect(door, `${look}-wrong-password`);

      const { tab } = await visit.fresh({ ...options });
      assert.equal(await tab.page.evaluate(() => document.documentElement.dataset.theme), dark ? "night" : "day");
      await tab.id("welcome").waitFor();
      await inspect(tab, `${look}-empty`);
      const ask = async (text) => {
        await tab.id("composer").fill(text);
        await tab.id("send").click();
        await tab.question(text.split(" [[")[0]).waitFor();
      };
      world.provider.texts.set("rivers", ANSWER);
      world.provider.texts.set("river-title", "How a river finds its way");
      await ask("How does a river find its way? [[text=rivers title=river-title hold=40]]");
      const request = await world.provider.held("How does a river");
      await tab.state("writing");
      await until(async () => (await tab.answerText()).includes("The slope"), { what: "the first part" });
      await inspect(tab, `${look}-writing`);
      request.release();
      await tab.state("done");
      await tab.id("follow-ups").waitFor();
      await inspect(tab, `${look}-answer`);
      await ask("And this one fails? [[fail=429]]");
      await tab.id("answer-error").waitFor();
      await inspect(tab, `${look}-failed`);
      await ask("Stop me [[tokens=40 hold=20]]");
      await world.provider.held("Stop me");
      await until(async () => (await tab.answerText()).includes("word20"), { what: "twenty words" });
      await tab.id("stop").click();
      await tab.id("answer-stopped").waitFor();
      await inspect(tab, `${look}-stopped`);
      await tab.id("model-picker").click();
      await tab.id("model-option").first().waitFor();
      await inspect(tab, `${look}-models`);
      await tab.page.keyboard.press("Escape");
      if (width === "phone") {
        await tab.id("drawer-open").click();
        await until(() => tab.id("sidebar").evaluate((node) => node.getBoundingClientRect().left === 0), { what: "the drawer" });
        await inspect(tab, `${look}-drawer`);
      }
      await tab.id("search").fill("sea");
      await tab.id("search-result").first().waitFor();
      await inspect(tab, `${look}-search`);
      await tab.id("search").fill("");
      await tab.choose("How a river finds its way", "menu-delete");
      await tab.id("confirm-delete").waitFor();
      await inspect(tab, `${look}-delete`);
      await tab.id("keep-chat").click();
      await tab.id("account-menu").click();
      await tab.id("open-settings").click();
      await tab.id("settings").waitFor();
      await inspect(tab, `${look}-settings`);

      const admin = await visit.tab(world.admin, { ...options, path: "/admin/users" });
      await admin.id("user-row").first().waitFor();
      await inspect(admin, `${look}-users`);
      await admin.page.goto(`${world.server.url}/admin/connections`);
      await admin.id("openai-form").waitFor();
      await admin.id("provider").first().waitFor();
      await inspect(admin, `${look}-connections`);
      await admin.page.goto(`${world.server.url}/admin/models`);
      await admin.id("model-row").first().waitFor();
      await inspect(admin, `${look}-admin-models`);
      await admin.page.goto(`${world.server.url}/admin/settings`);
      await admin.id("admin-settings-form").waitFor();
      await inspect(admin, `${look}-admin-settings`);
    }));
  }
}

test("on a phone the list is a drawer that opens, closes and leads to a chat", world.visit(async (visit) => {
  const { tab } = await visit.fresh({ size: WIDTHS.phone, touch: true });
  assert.equal(await tab.id("sidebar").isVisible(), false);
  await tab.id("composer").fill("On the road [[tokens=3]]");
  await tab.id("send").tap();
  await tab.answered(answerOf(3));
  await tab.id("drawer-open").tap();
  await tab.row("About On the road").waitFor();
  await tab.id("drawer-close").tap();
  await tab.id("sidebar").waitFor({ state: "hidden" });
  await tab.id("drawer-open").tap();
  await tab.id("new-chat").tap();
  await tab.id("welcome").waitFor();
  await tab.id("sidebar").waitFor({ state: "hidden" });
  await tab.id("drawer-open").tap();
  await tab.row("About On the road").getByTestId("chat-link").tap();
  await tab.answered(answerOf(3));
  await tab.id("sidebar").waitFor({ state: "hidden" });
  // Touch targets: 44 pixels at least for what is pressed most.
  for (const name of ["drawer-open", "send", "model-picker"]) {
    const { width, height } = await tab.id(name).boundingBox();
    assert(width >= 44 && height >= 44, `${name} is ${width} by ${height}`);
  }
}));

test("the system's night and day are followed while the page is open", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  const paper = () => tab.page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const day = await paper();
  await tab.page.emulateMedia({ colorScheme: "dark" });
  await until(async () => (await paper()) !== day, { what: "the night's paper" });
  assert.equal(await tab.page.evaluate(() => document.documentElement.dataset.theme), "night");
  await tab.page.emulateMedia({ colorScheme: "light" });
  await until(async () => (await paper()) === day, { what: "the day's paper" });
}));

test("everything on the way to an answer and back is done by keyboard, with the focus in sight", world.visit(async (visit) => {
  const session = await world.user();
  const tab = await (await visit.reader()).open("/");
  const { keyboard } = tab.page;
  /** What has the focus, and whether it can be seen that it has. */
  const focus = () =>
    tab.page.evaluate(() => {
      const node = document.activeElement;
      const style = getComputedStyle(node);
      const ring = (at) => {
        const own = getComputedStyle(at);
        return (own.outlineStyle !== "none" && parseFloat(own.outlineWidth) > 0) || own.boxShadow !== "none";
      };
      // A field may show the focus on the box around it.
      const seen = ring(node) || (node.parentElement && ring(node.parentElement)) || style.borderColor !== "rgba(0, 0, 0, 0)";
      return { id: node.dataset?.testid ?? node.closest("[data-testid]")?.dataset.testid ?? node.localName, tag: node.localName, seen };
    });
  const tabTo = async (id) => {
    for (let presses = 0; presses < 40; presses += 1) {
      const now = await focus();
      if (now.tag !== "body") assert(now.seen, `the focus on ${now.id} can be seen`);
      if (now.id === id) return;
      await keyboard.press("Tab");
    }
    assert.fail(`Tab never reached ${id}`);
  };
  await tab.id("auth-form").waitFor();
  await tabTo("email");
  await keyboard.type(session.email);
  await tabTo("password");
  await keyboard.type(session.password);
  await keyboard.press("Enter");
  await tab.ready();
  await until(async () => (await focus()).id === "composer", { what: "the focus in the composer" });
  await keyboard.type("By keyboard [[tokens=30 hold=3]]");
  await keyboard.press("Enter");
  await world.provider.held("By keyboard");
  await tab.answered(answerOf(3), "writing");
  await keyboard.press("Escape");
  await tab.id("answer-stopped").waitFor();
  await tab.row("By keyboard").waitFor();
  // The page's own keys work when no field has the focus.
  await keyboard.press("Shift+Tab");
  await keyboard.press("/");
  assert.equal((await focus()).id, "search");
  await keyboard.press("Escape");
  await tab.page.evaluate(() => document.activeElement.blur());
  await keyboard.press("n");
  await tab.id("welcome").waitFor();
  await tab.page.evaluate(() => document.activeElement.blur());
  await tabTo("chat-link");
  await keyboard.press("Tab");
  await tabTo("chat-menu");
  await keyboard.press("Enter");
  await until(async () => (await focus()).id === "menu-rename", { what: "the focus in the menu" });
  await keyboard.press("ArrowDown");
  assert.equal((await focus()).id, "menu-pin");
  await keyboard.press("Escape");
  await until(async () => (await focus()).id === "chat-menu", { what: "the focus back on the button" });
  await keyboard.press("Enter");
  await until(async () => (await focus()).id === "menu-rename", { what: "the focus in the menu" });
  await keyboard.press("Enter");
  await until(async () => (await focus()).id === "rename-input", { what: "the focus in the title" });
  await keyboard.type("Named by keyboard");
  await keyboard.press("Enter");
  await tab.row("Named by keyboard").waitFor();
  await tabTo("account-menu");
  await keyboard.press("Enter");
  await until(async () => (await focus()).id === "open-settings", { what: "the focus in the menu" });
  await keyboard.press("End");
  await keyboard.press("Enter");
  await tab.id("auth-form").waitFor();
}));

/** How far the end of the text is below the window, in pixels. */
const below = (tab) => tab.id("transcript").evaluate((node) => node.scrollHeight - node.scrollTop - node.clientHeight);

test("the view follows the answer while the reader is at its end, and only then", world.visit(async (visit) => {
  const { tab } = await visit.fresh({ size: WIDTHS.phone });
  world.provider.texts.set("long", ANSWER.repeat(4));
  await tab.ask("Long [[text=long delay=2]]");
  await tab.state("done");
  await tab.id("follow-ups").waitFor();
  await until(async () => (await below(tab)) < 5, { what: "the end in view", limit: 2000 });
  assert.equal(await tab.id("to-end").count(), 0);

  await tab.ask("Longer [[text=long hold=120]]");
  const request = await world.provider.held("Longer");
  await until(async () => (await below(tab)) < 5, { what: "the end in view", limit: 2000 });
  await tab.id("transcript").hover();
  await tab.page.mouse.wheel(0, -400);
  await tab.id("to-end").waitFor();
  const place = await tab.id("transcript").evaluate((node) => node.scrollTop);
  request.release();
  await tab.state("done");
  await tab.id("follow-ups").waitFor();
  assert.equal(await tab.id("transcript").evaluate((node) => node.scrollTop), place, "the view stays where the reader is");
  await tab.id("to-end").click();
  await until(async () => (await below(tab)) < 5, { what: "the end in view" });
}));

test("streamed text is announced a sentence at a time", world.visit(async (visit) => {
  const { tab } = await visit.fresh();
  world.provider.texts.set("spoken", "The first sentence is here. The second one follows it. And this is the last.");
  await tab.ask("Spoken [[text=spoken hold=6]]");
  const request = await world.provider.held("Spoken");
  await tab.shows(tab.id("announcer"), /The first sentence is here\./);
  assert.doesNotMatch(await tab.id("announcer").innerText(), /second one follows it/);
  request.release();
  await tab.shows(tab.id("announcer"), /this is the last\./);
}));
