/** Programs that tests start. None of them outlives the process of the tests. */

import { spawn } from "node:child_process";

/** Most of a log that is kept, in characters. */
const LOG_LIMIT = 2_000_000;

// What still runs when this process ends is ended with it.
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));

/** Starts a program, and gives its process and a promise of how it ends: `{code, signal}`, with `error` when it could not start. */
export function launch(program, parameters, options) {
  const child = spawn(program, parameters, options);
  running.add(child);
  const exited = new Promise((done) => {
    const end = (ending) => {
      running.delete(child);
      done(ending);
    };
    child.once("exit", (code, signal) => end({ code, signal }));
    child.once("error", (error) => end({ code: null, signal: null, error }));
  });
  return { child, exited };
}

/** A log with what a program wrote behind it, without colours, and without its beginning when it is long. */
export function logged(log, text) {
  return (log + text.replaceAll(/\x1b\[[0-9;]*m/g, "")).slice(-LOG_LIMIT);
}
