import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { signUp } from "../support/api.mjs";
import { Server } from "../support/server.mjs";
import { until } from "../support/wait.mjs";
import { JavaScriptListener } from "./listeners.mjs";

for (const polling of [false, true]) {
  const transport = polling ? "polling" : "websocket";
  let server;
  let admin;

  before(async () => {
    server = await Server.start({
      CORS_ALLOW_ORIGIN: "https://chat.example;https://other.example:8443",
      ENABLE_WEBSOCKET_SUPPORT: String(!polling),
      ENABLE_LOCAL_MODEL: "false",
    });
    admin = await signUp(server.url);
  });
  after(() => server?.dispose());

  const connect = (origin) =>
    new JavaScriptListener(server.url, admin.token, {
      polling,
      reconnection: false,
      headers: origin === null ? undefined : { origin },
    });

  test(`listed origins and requests without one may connect over ${transport}`, async () => {
    for (const origin of ["https://chat.example", "https://other.example:8443", null]) {
      const listener = connect(origin);
      assert.equal((await listener.joined()).user.name, admin.name);
      await listener.close();
    }
  });

  test(`another origin is refused over ${transport}, and the log says which and what to do`, async () => {
    // The server's own address is not listed either.
    for (const origin of ["https://evil.example", "http://chat.example", server.url]) {
      const listener = connect(origin);
      const [{ value }] = await until(() => listener.of("refused").length > 0 && listener.of("refused"), { what: "the refusal" });
      const status = polling ? 400 : 403;
      assert.match(JSON.stringify([value.message, value.description?.message ?? value.description, value.context?.status]), new RegExp(`${status}`));
      await until(() => server.log.includes(`${origin} is not an accepted origin.`), { what: "the log line" });
      assert(server.log.includes(`CORS_ALLOW_ORIGIN="${origin}"`), "the log names the fix");
      await listener.close();
    }
  });

  test(`HTTP answers are readable for listed origins only (${transport})`, async () => {
    for (const [origin, allowed] of [["https://chat.example", "https://chat.example"], ["https://evil.example", null]]) {
      const response = await fetch(`${server.url}/api/config`, { headers: { origin } });
      assert.equal(response.headers.get("access-control-allow-origin"), allowed);
    }
  });
}
