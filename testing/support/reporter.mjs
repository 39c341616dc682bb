/** Reports tests one a line, then what failed once more, and ends with `N passed, N failed`. */

import { relative } from "node:path";

export default async function* report(events) {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  const failures = [];
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details?.type === "suite" && type === "test:pass") continue;
    const file = data.file ? `${relative(process.cwd(), data.file)}: ` : "";
    const time = `${Math.round(data.details?.duration_ms ?? 0)} ms`;
    if (data.skip !== undefined) {
      skipped += 1;
      yield `skipped ${file}${data.name} (${data.skip})\n`;
    } else if (type === "test:pass") {
      passed += 1;
      yield `ok ${file}${data.name} (${time})\n`;
    } else {
      failed += 1;
      const failure = `NOT OK ${file}${data.name} (${time})\n${reason(data.details?.error)}\n`;
      failures.push(failure);
      yield failure;
    }
  }
  if (failures.length > 0) yield `what failed:\n${failures.join("")}`;
  if (skipped > 0) yield `${skipped} skipped\n`;
  // Nothing tested is nothing shown.
  if (passed + failed === 0) {
    failed = 1;
    process.exitCode = 1;
    yield "no test was run\n";
  }
  yield `${passed} passed, ${failed} failed\n`;
}

function reason(error) {
  const cause = error?.cause ?? error;
  const text = cause?.stack ?? String(cause?.message ?? cause);
  return text.replaceAll(/^/gm, "    ");
}
