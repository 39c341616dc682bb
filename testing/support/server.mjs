/** The real server, as a process on a port that the system chose and on a fresh data folder. */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { launch, logged } from "./child.mjs";
import { within } from "./wait.mjs";

/** Longest time until a started server says where it listens. */
const START_LIMIT = 30_000;

/** Longest time a server may take to end after SIGTERM: it lets replies and connections end within its own bounds. */
const STOP_LIMIT = 15_000;

/** The program under test, named by the runner. */
export const BINARY = resolve(process.env.ANTIPHON_BINARY ?? "target/debug/antiphon");

export class Server {
  #child = null;
  #environment;
  #data = null;
  #port = "0";
  #exited = null;
  url = "";
  log = "";
  /** How the process ended, when nobody had asked it to. */
  ending = null;

  constructor(environment) {
    this.#environment = environment;
  }

  /** Starts a server with these variables on a fresh data folder. */
  static async start(environment = {}) {
    const server = new Server(environment);
    server.#data = await mkdtemp(join(tmpdir(), "antiphon-test-"));
    try {
      await server.start();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  get pid() {
    return this.#child?.pid;
  }

  get data() {
    return this.#data;
  }

  /** Starts it, a second time on the same data and port. */
  async start() {
    const { PATH, HOME, XDG_CACHE_HOME, LD_LIBRARY_PATH } = process.env;
    const inherited = { PATH, HOME, XDG_CACHE_HOME, LD_LIBRARY_PATH };
    const { child, exited } = launch(BINARY, ["serve"], {
      cwd: this.#data,
      env: {
        ...Object.fromEntries(Object.entries(inherited).filter(([, value]) => value !== undefined)),
        HOST: "127.0.0.1",
        PORT: this.#port,
        DATA_DIR: this.#data,
        ...this.#environment,
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    this.#exited = exited;
    void exited.then(({ code, signal, error }) => {
      if (error) this.log += `${error}\n`;
      else if (this.#child === child) this.ending = `the server ended by itself with ${code ?? signal}:\n${this.log.slice(-4000)}`;
    });
    const from = this.log.length;
    const listens = new Promise((done, fail) => {
      child.stderr.setEncoding("utf8").on("data", (text) => {
        this.log = logged(this.log, text);
        const found = /listens on (http:\/\/[\d.]+:(\d+))/.exec(this.log.slice(Math.min(from, this.log.length)));
        if (found) done(found);
      });
      void this.#exited.then(({ code, signal }) => fail(new Error(`the server ended with ${code ?? signal}:\n${this.log.slice(from)}`)));
    });
    listens.catch(() => undefined);
    const [, url, port] = await within(listens, `${BINARY} listening`, START_LIMIT).catch((error) => {
      throw new Error(`${error.message}\n${this.log.slice(-4000)}`);
    });
    this.url = url;
    this.#port = port;
  }

  /** Asks it to end, and waits. A server that does not end by itself is an error. */
  async stop() {
    if (!this.#child) return;
    const child = this.#child;
    this.#child = null;
    child.kill("SIGTERM");
    try {
      const { code } = await within(this.#exited, "the end of the server after SIGTERM", STOP_LIMIT);
      if (code !== 0) throw new Error(`the server ended with status ${code}:\n${this.log.slice(-4000)}`);
    } finally {
      child.kill("SIGKILL");
    }
  }

  /** Ends it without a chance to say goodbye. */
  async kill() {
    const child = this.#child;
    this.#child = null;
    child?.kill("SIGKILL");
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
