/** Bounded waits on conditions. */

/** Longest wait when nothing else is said, in milliseconds. */
export const LIMIT = 10_000;

/** Pause between two looks at a condition. */
const LOOK = 15;

/**
 * Asks `condition` until it answers with something true, and gives that back. A condition that throws is asked again;
 * what it threw last is told when the limit is reached.
 */
export async function until(condition, { what = "the condition", limit = LIMIT } = {}) {
  const deadline = performance.now() + limit;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`${what} did not come true within ${limit} ms; last seen: ${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK));
  }
}

/** `promise`, or an error after `limit` milliseconds. */
export function within(promise, what, limit = LIMIT) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not happen within ${limit} ms`)), limit);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
