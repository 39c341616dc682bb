/** A real OpenID Connect provider, as a program of its own (`testing/oidc`). */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { within } from "./wait.mjs";

/** Longest time until it listens; the first start installs it. */
const START_LIMIT = 120_000;

export class IdentityProvider {
  #child;
  issuer;

  static async start() {
    const provider = new IdentityProvider();
    const child = spawn(join(import.meta.dirname, "../oidc/run"), { stdio: ["pipe", "pipe", "ignore"] });
    provider.#child = child;
    const told = new Promise((done, fail) => {
      createInterface({ input: child.stdout }).on("line", (line) => line.startsWith("{") && done(JSON.parse(line)));
      child.once("exit", (code) => fail(new Error(`the provider ended with ${code}; run testing/oidc/run to see why`)));
      child.once("error", fail);
    });
    provider.issuer = (await within(told, "the provider listening", START_LIMIT)).issuer;
    return provider;
  }

  /** The variables by which a server knows it. */
  get environment() {
    return {
      OPENID_PROVIDER_URL: `${this.issuer}/.well-known/openid-configuration`,
      OAUTH_CLIENT_ID: "antiphon",
      OAUTH_CLIENT_SECRET: "the secret of a test",
      OAUTH_PROVIDER_NAME: "Example Id",
      ENABLE_OAUTH_SIGNUP: "true",
      DEFAULT_USER_ROLE: "user",
    };
  }

  /** It ends with its standard input. */
  async stop() {
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.stdin.end();
    await within(ended, "the end of the provider", 10_000);
  }
}
