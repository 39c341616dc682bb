// Writes a brotli and a gzip form beside every text file of the build, and holds the first load to its budget.
// The output depends on the files alone: same input, same bytes.

import { readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const DIST = new URL('../dist/', import.meta.url).pathname;
const TEXT = new Set(['.css', '.html', '.js', '.json', '.svg', '.txt']);

/** Smaller files gain nothing. */
const LEAST_BYTES = 512;

/** Most compressed script that the first view may load. */
const BUDGET_BYTES = 150 * 1024;

const files = readdirSync(DIST, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name))
  .sort();

const compressed = new Map();
for (const file of files) {
  if (!TEXT.has(extname(file)) || statSync(file).size < LEAST_BYTES || file.includes('/.vite/')) continue;
  const bytes = readFileSync(file);
  const brotli = brotliCompressSync(bytes, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_LGWIN]: 22,
      [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
    },
  });
  const gzip = gzipSync(bytes, { level: 9 });
  // The tenth byte of a gzip file names the system it was made on.
  gzip[9] = 255;
  writeFileSync(`${file}.br`, brotli);
  writeFileSync(`${file}.gz`, gzip);
  compressed.set(relative(DIST, file), { plain: bytes.length, brotli: brotli.length, gzip: gzip.length });
}

/** The scripts and styles that `index.html` loads, with everything they import at once. */
function firstLoad() {
  const manifest = JSON.parse(readFileSync(join(DIST, '.vite/manifest.json'), 'utf8'));
  const found = new Set(['theme.js']);
  const visit = (name) => {
    const chunk = manifest[name];
    if (!chunk || found.has(chunk.file)) return;
    found.add(chunk.file);
    for (const style of chunk.css ?? []) found.add(style);
    for (const next of chunk.imports ?? []) visit(next);
  };
  visit('index.html');
  return [...found];
}

const sizeOf = (name, form) => compressed.get(name)?.[form] ?? statSync(join(DIST, name)).size;
const sum = (names, form) => names.reduce((total, name) => total + sizeOf(name, form), 0);
const kib = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

const first = firstLoad();
const scripts = first.filter((name) => name.endsWith('.js'));
const styles = first.filter((name) => name.endsWith('.css'));
console.log(
  `first load: script ${kib(sum(scripts, 'gzip'))} gzip, ${kib(sum(scripts, 'brotli'))} brotli; ` +
    `style ${kib(sum(styles, 'gzip'))} gzip, ${kib(sum(styles, 'brotli'))} brotli`,
);
rmSync(join(DIST, '.vite'), { recursive: true });
if (sum(scripts, 'gzip') > BUDGET_BYTES) {
  console.error(`The first load is over its budget of ${kib(BUDGET_BYTES)}. Load something later, or leave it out.`);
  process.exit(1);
}
