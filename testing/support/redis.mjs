/** A Redis server of its own, on a free port of this machine. */

import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "./child.mjs";
import { freePort } from "./port.mjs";
import { until } from "./wait.mjs";

function answers(port) {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", (data) => {
      done(data.toString().startsWith("+PONG"));
      socket.destroy();
    });
    socket.once("error", () => done(false));
  });
}

export class Redis {
  #child;
  #folder;
  url;

  static async start() {
    const redis = new Redis();
    const port = await freePort();
    redis.#folder = await mkdtemp(join(tmpdir(), "antiphon-redis-"));
    const { child } = launch("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""], {
      cwd: redis.#folder,
      stdio: "ignore",
    });
    redis.#child = child;
    redis.url = `redis://127.0.0.1:${port}/0`;
    try {
      await until(() => answers(port), { what: "Redis answers" });
    } catch (error) {
      await redis.stop();
      throw error;
    }
    return redis;
  }

  async stop() {
    this.#child.kill("SIGKILL");
    await rm(this.#folder, { recursive: true, force: true });
  }
}
