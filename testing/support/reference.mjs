/** A node of the reference, Open WebUI 0.12.4, as a process on a free port and on a fresh data folder. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { launch, logged } from "./child.mjs";
import { freePort } from "./port.mjs";
import { until, within } from "./wait.mjs";

/** Longest time until it is ready: it imports much and makes its database. */
const START_LIMIT = 120_000;

/** Longest time it may take to end after SIGTERM, before it is killed. */
const STOP_LIMIT = 10_000;

/** So much of its end is shown when it does not start. */
const LOG_SHOWN = 1500;

/** Longest time for a few statements, in milliseconds. */
const SQL_LIMIT = 20_000;

const STATEMENTS = `
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=10)
for statement, values in json.loads(sys.argv[2]):
    changed = database.execute(statement, values).rowcount
    if changed < 1:
        sys.exit(f"no row was changed: {statement} {values}")
database.commit()
`;

const SCRIPT = `
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
database.executescript(sys.argv[2])
`;

/** Carries out a script of SQL in a database of SQLite, with the reference's Python: Node 20 has no SQLite. */
export async function runScript(database, script) {
  await promisify(execFile)(join(folder(), "bin/python"), ["-c", SCRIPT, database, script], { timeout: SQL_LIMIT });
}

/** The folder of the reference's virtual environment. */
function folder() {
  const named = process.env.REFERENCE_SERVER;
  if (!named) throw new Error("REFERENCE_SERVER names the folder of the reference; testing/reference/run sets it");
  return named;
}

export class ReferenceServer {
  #child = null;
  #environment;
  #data = null;
  #port = null;
  #exited = null;
  url = "";
  log = "";

  /** Starts it with these variables; the folder of its virtual environment is in `REFERENCE_SERVER`. */
  static async start(environment = {}) {
    const server = new ReferenceServer();
    server.#environment = environment;
    server.#data = await mkdtemp(join(tmpdir(), "antiphon-reference-"));
    try {
      await server.start();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  /** Its database. */
  get database() {
    return join(this.#data, "webui.db");
  }

  /** Starts it, a second time on the same data and port. */
  async start() {
    const { PATH, HOME } = process.env;
    this.#port ??= String(await freePort());
    this.url = `http://127.0.0.1:${this.#port}`;
    const parameters = ["serve", "--host", "127.0.0.1", "--port", this.#port];
    const { child, exited } = launch(join(folder(), "bin/open-webui"), parameters, {
      cwd: this.#data,
      env: {
        PATH,
        HOME,
        PYTHONUNBUFFERED: "1",
        DATA_DIR: this.#data,
        // The least of it, and nothing from the network.
        USE_SLIM_DOCKER: "true",
        ENABLE_VERSION_UPDATE_CHECK: "false",
        OFFLINE_MODE: "true",
        ...this.#environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#exited = exited;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        this.log = logged(this.log, text);
      });
    }
    const ended = exited.then(({ code, signal, error }) => {
      throw new Error(`the reference ended with ${error?.message ?? code ?? signal}`);
    });
    const ready = until(async () => (await fetch(`${this.url}/ready`)).ok, { what: "the reference is ready", limit: START_LIMIT });
    await Promise.race([ready, ended]).catch((error) => {
      throw new Error(`${error.message}\n${this.log.slice(-LOG_SHOWN)}`);
    });
  }

  /** Changes its database beside it; each of `[statement, values]` must change a row. */
  async sql(...statements) {
    const parameters = ["-c", STATEMENTS, this.database, JSON.stringify(statements)];
    await promisify(execFile)(join(folder(), "bin/python"), parameters, { timeout: SQL_LIMIT });
  }

  /** Asks it to end, waits, and kills it when it does not. */
  async stop() {
    if (!this.#child) return;
    const child = this.#child;
    this.#child = null;
    child.kill("SIGTERM");
    await within(this.#exited, "the end of the reference", STOP_LIMIT).catch(() => undefined);
    child.kill("SIGKILL");
    await this.#exited;
  }

  /** Stops it if it runs, and removes its data. */
  async dispose() {
    try {
      await this.stop();
    } finally {
      await rm(this.#data, { recursive: true, force: true });
    }
  }
}
