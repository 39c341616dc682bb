/** Real clients that note what they are told: the official JavaScript client, and python-socketio as a process. */

import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { io } from "socket.io-client";
import { LIMIT, until, within } from "../support/wait.mjs";

export const PYTHON = process.env.ANTIPHON_PYTHON ?? "python3";

/** What a client saw, in its order. */
class Seen {
  records = [];

  note(kind, value) {
    this.records.push({ kind, value, at: performance.now() });
  }

  of(kind) {
    return this.records.filter((record) => record.kind === kind);
  }

  /** Events about one message, as `{type, data}`. */
  about(id) {
    return this.of("events")
      .map((record) => record.value)
      .filter((envelope) => envelope.message_id === id)
      .map((envelope) => envelope.data);
  }

  /** The id of the present socket, once `times` connections were made. */
  async joined(times = 1) {
    await until(() => this.of("joined").length >= times, { what: `connection ${times}`, limit: 2 * LIMIT });
    return this.of("joined").at(-1).value;
  }

  async disconnected(times = 1) {
    await until(() => this.of("disconnected").length >= times, { what: `disconnection ${times}` });
    return this.of("disconnected").at(-1);
  }
}

export class JavaScriptListener extends Seen {
  constructor(url, token, { polling = false, headers, reconnection = true } = {}) {
    super();
    this.socket = io(url, {
      path: "/ws/socket.io",
      transports: [polling ? "polling" : "websocket"],
      auth: { token },
      forceNew: true,
      reconnection,
      reconnectionDelay: 200,
      reconnectionDelayMax: 1000,
      extraHeaders: headers,
    });
    this.socket.on("connect", async () => {
      const { id } = this.socket;
      const user = await this.socket.timeout(LIMIT).emitWithAck("user-join", { auth: { token } }).catch(() => null);
      this.note("joined", { sid: id, user });
    });
    this.socket.on("connect_error", (error) => this.note("refused", error));
    this.socket.on("disconnect", (reason) => this.note("disconnected", reason));
    this.socket.on("events", (payload) => this.note("events", payload));
  }

  ask(event, ...values) {
    return this.socket.timeout(LIMIT).emitWithAck(event, ...values);
  }

  async close() {
    this.socket.disconnect();
  }
}

export class PythonListener extends Seen {
  #child;
  #exited;
  #trouble = "";

  constructor(url, token, { polling = false } = {}) {
    super();
    const script = join(import.meta.dirname, "python_listener.py");
    this.#child = spawn(PYTHON, [script, url, token, ...(polling ? ["--polling"] : [])], { stdio: ["pipe", "pipe", "pipe"] });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      const { kind, value } = JSON.parse(line);
      this.note(kind, value);
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text) => (this.#trouble += text));
    this.#exited = new Promise((resolve) => this.#child.once("exit", resolve));
  }

  async joined(times) {
    return await super.joined(times).catch((error) => {
      throw new Error(`${error.message}\n${this.#trouble}`);
    });
  }

  async close() {
    this.#child.stdin.end();
    try {
      await within(this.#exited, "the end of the Python client");
    } finally {
      this.#child.kill("SIGKILL");
    }
  }
}

/** Runs a program to its end; its output, or an error with it. */
export async function run(program, parameters, limit = 60_000) {
  const child = spawn(program, parameters, { cwd: import.meta.dirname, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const exited = new Promise((resolve) => child.once("exit", resolve));
  try {
    const code = await within(exited, `the end of ${parameters[0]}`, limit);
    if (code !== 0) throw new Error(`${parameters.join(" ")} ended with ${code}:\n${output}`);
    return output;
  } finally {
    child.kill("SIGKILL");
  }
}

/** A question of the web client's form, and the ids in it. */
export function question(session, sid, text, { model = "scripted-one", chatId, parentId = null, ...more } = {}) {
  const [user, assistant] = [randomUUID(), randomUUID()];
  const body = {
    stream: true,
    model,
    params: {},
    session_id: sid,
    id: assistant,
    message_ids: [{ model_id: model, message_id: assistant, modelIdx: 0 }],
    parent_id: parentId,
    user_message: {
      id: user,
      parentId,
      childrenIds: [assistant],
      role: "user",
      content: text,
      timestamp: Math.floor(Date.now() / 1000),
      models: [model],
      user_id: session.id,
    },
    background_tasks: parentId === null ? { title_generation: true, tags_generation: true, follow_up_generation: true } : {},
    ...more,
  };
  if (chatId) body.chat_id = chatId;
  return { body, user, assistant };
}
