/**
 * A model service for tests: OpenAI-compatible, on loopback, steered by the question's own text.
 *
 * Directives stand in the last question as `[[name=value …]]`:
 *
 * | directive | effect |
 * |---|---|
 * | `tokens=N` | answers `word1 word2 … wordN` (default 12) |
 * | `text=NAME` | answers with `provider.texts.get(NAME)`, in pieces of a few characters |
 * | `delay=MS` | pause between two tokens |
 * | `hold=N` | stops after N tokens until `request.release()` |
 * | `reasoning=N` | N tokens of reasoning first |
 * | `tool=NAME` | ends with a call of this tool |
 * | `fail=STATUS` | answers with this status and an OpenAI error |
 * | `die=N` | cuts the connection after N tokens |
 * | `garbage=N` | sends what is no JSON after N tokens, and then no more |
 * | `usage` | tells the token counts although nobody asked |
 * | `hang` | takes the request and says nothing |
 * | `title=NAME` | the chat's title is `provider.texts.get(NAME)` |
 * | `late-title` | the title comes when `request.release()` is called on its errand |
 *
 * Without `title`, a chat about `Rivers [[…]]` is called `About Rivers`.
 */

import { createServer } from "node:http";
import { until } from "./wait.mjs";

/** Characters of a piece of a `text=NAME` answer. */
const PIECE = 7;

export const MODELS = ["scripted-one", "scripted-two"];
export const KEY = "sk-scripted-provider";
export const FOLLOW_UPS = ["What comes next?", "And after that?"];
export const TAGS = ["Scripted"];

/** The pieces of an answer of so many tokens. */
export function tokens(count) {
  return Array.from({ length: count }, (_, index) => `${index ? " " : ""}word${index + 1}`);
}

/** The text of an answer of so many tokens. */
export function answerOf(count) {
  return tokens(count).join("");
}

/** The directives in a question. */
export function directives(text) {
  const found = {};
  for (const [, inner] of text.matchAll(/\[\[([^\]]*)\]\]/g)) {
    for (const word of inner.trim().split(/\s+/)) {
      const [name, value = ""] = word.split("=");
      found[name] = /^\d+$/.test(value) ? Number(value) : value;
    }
  }
  return found;
}

const plain = (content) =>
  typeof content === "string"
    ? content
    : (content ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");

/** One request that the provider got. */
class Asked {
  #response;
  #released;

  constructor(request, body, response) {
    this.path = request.url;
    this.headers = request.headers;
    this.body = body;
    this.model = body.model;
    this.streamed = body.stream === true;
    this.question = plain(body.messages?.findLast((message) => message.role === "user")?.content);
    this.sent = 0;
    this.holding = false;
    this.ended = false;
    /** When the caller closed the connection before the end, on the clock of `performance.now()`. */
    this.cutAt = null;
    this.#response = response;
    this.#released = new Promise((resolve) => {
      this.release = () => {
        this.holding = false;
        resolve();
      };
    });
    response.on("close", () => {
      if (!this.ended) this.cutAt = performance.now();
      this.release();
    });
  }

  get open() {
    return !this.ended && this.cutAt === null;
  }

  async hold() {
    this.holding = true;
    await this.#released;
  }

  write(text) {
    if (this.open) this.#response.write(text);
  }

  head(status, type) {
    this.#response.writeHead(status, { "content-type": type, "cache-control": "no-cache" });
    this.#response.flushHeaders();
  }

  end(text = "") {
    if (!this.open) return;
    this.ended = true;
    this.#response.end(text);
  }

  /** Cuts the connection once everything is sent, as the system does for a process that dies. */
  die() {
    this.ended = true;
    this.#response.socket.destroySoon();
  }
}

export class Provider {
  /** Texts that questions name with `text=` and `title=`. */
  texts = new Map();
  /** Requests for replies, oldest first; questions after a reply (titles and so on) are in `errands`. */
  requests = [];
  errands = [];

  #server;

  static async start() {
    const provider = new Provider();
    provider.#server = createServer((request, response) => {
      provider.#answer(request, response).catch((error) => {
        console.error("the scripted provider failed:", error);
        response.destroy();
      });
    });
    await new Promise((resolve, reject) => {
      provider.#server.once("error", reject).listen(0, "127.0.0.1", resolve);
    });
    return provider;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}/v1`;
  }

  /** The environment that connects a server with this provider and nothing else. */
  get environment() {
    return {
      OPENAI_API_BASE_URLS: this.url,
      OPENAI_API_KEYS: KEY,
      ENABLE_OLLAMA_API: "false",
      ENABLE_LOCAL_MODEL: "false",
    };
  }

  /** The newest request for a reply whose question holds `part`. */
  async asked(part, { after = 0 } = {}) {
    return await until(() => this.requests.slice(after).findLast((request) => request.question.includes(part)), {
      what: `a request with “${part}” at the provider`,
    });
  }

  /** The newest request or errand about it that stands still. */
  async held(part) {
    const waits = (request) => request.question.includes(part) && request.holding;
    return await until(() => this.requests.findLast(waits) ?? this.errands.findLast(waits), {
      what: `a request with “${part}” that is held at the provider`,
    });
  }

  async stop() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request, response) {
    if (request.headers.authorization !== `Bearer ${KEY}`) {
      return this.#json(response, 401, { error: { message: "This key is not known here.", code: "invalid_api_key" } });
    }
    if (request.method === "GET" && request.url === "/v1/models") {
      const data = MODELS.map((id) => ({ id, object: "model", created: 1_700_000_000, owned_by: "scripted" }));
      return this.#json(response, 200, { object: "list", data });
    }
    if (request.method !== "POST" || request.url !== "/v1/chat/completions") {
      return this.#json(response, 404, { error: { message: `There is no ${request.url} here.` } });
    }
    const parts = [];
    for await (const part of request) parts.push(part);
    const asked = new Asked(request, JSON.parse(Buffer.concat(parts).toString()), response);
    const errand = this.#errand(asked.question);
    if (errand !== null) {
      this.errands.push(asked);
      const late = asked.question.includes('{"title"') && "late-title" in directives(asked.question);
      if (late) await asked.hold();
      return await this.#say(asked, { pieces: [errand] });
    }
    this.requests.push(asked);
    const wanted = directives(asked.question);
    if (wanted.fail) {
      const message = `The scripted provider was told to fail with ${wanted.fail}.`;
      asked.head(wanted.fail, "application/json");
      return asked.end(JSON.stringify({ error: { message, type: "server_error", code: "scripted" } }));
    }
    if ("hang" in wanted) return await asked.hold();
    const pieces = wanted.text ? slices(this.texts.get(wanted.text) ?? "") : tokens(wanted.tokens || 12);
    await this.#say(asked, { pieces, ...wanted });
  }

  /** The answer to a question that the server asks for itself, or null. */
  #errand(question) {
    if (!question.includes("Answer with JSON only")) return null;
    if (question.includes('{"tags"')) return JSON.stringify({ tags: TAGS });
    if (question.includes('{"follow_ups"')) return JSON.stringify({ follow_ups: FOLLOW_UPS });
    const about = question.slice(question.indexOf("USER:") + 5, question.indexOf("\nASSISTANT:"));
    const own = this.texts.get(directives(about).title);
    const title = own ?? `About ${about.replaceAll(/\[\[.*?\]\]/g, "").trim().slice(0, 40)}`;
    return JSON.stringify({ title });
  }

  async #say(asked, wanted) {
    const { pieces } = wanted;
    const usage = { prompt_tokens: 7, completion_tokens: pieces.length, total_tokens: 7 + pieces.length };
    const base = { id: `chatcmpl-${this.requests.length}`, created: Math.floor(Date.now() / 1000), model: asked.model };
    if (!asked.streamed) {
      asked.head(200, "application/json");
      const message = { role: "assistant", content: pieces.join("") };
      const choices = [{ index: 0, message, finish_reason: "stop" }];
      return asked.end(JSON.stringify({ ...base, object: "chat.completion", choices, usage }));
    }
    const chunk = (delta, finish_reason = null) => {
      const choices = [{ index: 0, delta, finish_reason }];
      asked.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices })}\n\n`);
    };
    asked.head(200, "text/event-stream");
    chunk({ role: "assistant", content: "" });
    for (let number = 1; number <= (wanted.reasoning ?? 0); number += 1) {
      chunk({ reasoning_content: `${number > 1 ? " " : ""}thought${number}` });
    }
    for (const piece of pieces) {
      if (asked.sent === wanted.hold) await asked.hold();
      if (asked.sent === wanted.die) return asked.die();
      if (asked.sent === wanted.garbage) break;
      if (wanted.delay) await new Promise((resolve) => setTimeout(resolve, wanted.delay));
      if (!asked.open) return;
      chunk({ content: piece });
      asked.sent += 1;
    }
    if ("garbage" in wanted) {
      asked.write('data: {"choices": [{"delta": {"content": "half\n\n');
      return asked.end("data: <html>no JSON at all</html>\n\n");
    }
    if (wanted.tool) {
      const call = { index: 0, id: "call_1", type: "function", function: { name: wanted.tool, arguments: "" } };
      chunk({ tool_calls: [call] });
      for (const part of ['{"place":', '"Bern"}']) chunk({ tool_calls: [{ index: 0, function: { arguments: part } }] });
    }
    chunk({}, wanted.tool ? "tool_calls" : "stop");
    if (asked.body.stream_options?.include_usage || "usage" in wanted) {
      asked.write(`data: ${JSON.stringify({ ...base, object: "chat.completion.chunk", choices: [], usage })}\n\n`);
    }
    asked.end("data: [DONE]\n\n");
  }

  #json(response, status, body) {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }
}

/** `text` in small pieces, whole characters each. */
function slices(text) {
  const characters = [...text];
  const pieces = [];
  for (let at = 0; at < characters.length; at += PIECE) pieces.push(characters.slice(at, at + PIECE).join(""));
  return pieces;
}
