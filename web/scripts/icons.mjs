// Draws the mark into every picture the page needs: SVG for browsers that take it, PNG for the others.
// Run `npm run icons` after a change; the results are kept in git.

import { mkdirSync, writeFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';

const OUT = new URL('../public/', import.meta.url).pathname;
const PAPER = [0xfa, 0xf8, 0xf4];
const INK = [0x1d, 0x1b, 0x19];
const TEAL = [0x0e, 0x6f, 0x6c];
const MUTED = [0x62, 0x5d, 0x56];
const TINT = [0xef, 0xeb, 0xe3];

/** Samples along each side of a pixel. */
const SAMPLES = 8;

/** The two halves on a square of 24: see Mark.svelte. */
const inLeft = (x, y) => x <= 11 && (x - 11) ** 2 + (y - 10) ** 2 <= 64;
const inRight = (x, y) => x >= 13 && (x - 13) ** 2 + (y - 14) ** 2 <= 64;

/** The mark on a rounded sheet of paper; `scale` leaves a margin. */
function sheet(scale, rounded) {
  return (x, y) => {
    const corner = rounded ? 5 : 0;
    const dx = Math.max(corner - x, x - (24 - corner), 0);
    const dy = Math.max(corner - y, y - (24 - corner), 0);
    if (dx * dx + dy * dy > corner * corner && corner > 0) return null;
    const [u, v] = [(x - 12) / scale + 12, (y - 12) / scale + 12];
    if (inLeft(u, v)) return INK;
    return inRight(u, v) ? TEAL : PAPER;
  };
}

/** Head and shoulders, for an account without a picture. */
function person(x, y) {
  if ((x - 12) ** 2 + (y - 9) ** 2 <= 16) return MUTED;
  return ((x - 12) / 8) ** 2 + ((y - 22) / 7) ** 2 <= 1 ? MUTED : TINT;
}

function draw(size, colourAt) {
  const pixels = Buffer.alloc(size * size * 4);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      const sum = [0, 0, 0];
      let hits = 0;
      for (let sample = 0; sample < SAMPLES * SAMPLES; sample += 1) {
        const x = ((column + ((sample % SAMPLES) + 0.5) / SAMPLES) * 24) / size;
        const y = ((row + (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES) * 24) / size;
        const colour = colourAt(x, y);
        if (!colour) continue;
        hits += 1;
        for (let channel = 0; channel < 3; channel += 1) sum[channel] += colour[channel];
      }
      const at = (row * size + column) * 4;
      for (let channel = 0; channel < 3; channel += 1) pixels[at + channel] = hits ? Math.round(sum[channel] / hits) : 0;
      pixels[at + 3] = Math.round((255 * hits) / (SAMPLES * SAMPLES));
    }
  }
  return png(size, pixels);
}

const crcTable = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) crc = crcTable[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  const frame = Buffer.alloc(12 + data.length);
  frame.writeUInt32BE(data.length, 0);
  body.copy(frame, 4);
  frame.writeUInt32BE((crc ^ 0xffffffff) >>> 0, 8 + data.length);
  return frame;
}

function png(size, pixels) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const lines = Buffer.alloc(size * (size * 4 + 1));
  for (let row = 0; row < size; row += 1) pixels.copy(lines, row * (size * 4 + 1) + 1, row * size * 4, (row + 1) * size * 4);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(lines, { level: 9 })), chunk('IEND', Buffer.alloc(0))]);
}

/** An .ico that holds one PNG. */
function ico(size, picture) {
  const head = Buffer.alloc(22);
  head.writeUInt16LE(1, 2);
  head.writeUInt16LE(1, 4);
  head.set([size, size, 0, 0, 1, 0, 32, 0], 6);
  head.writeUInt32LE(picture.length, 14);
  head.writeUInt32LE(22, 18);
  return Buffer.concat([head, picture]);
}

// On a dark tab bar the ink half turns light.
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">
<style>.q{fill:#1d1b19}.a{fill:#0e6f6c}@media (prefers-color-scheme:dark){.q{fill:#ece8e1}.a{fill:#5cc2b9}}</style>
<path class="q" d="M11 2v16A8 8 0 0 1 11 2z"/><path class="a" d="M13 6v16a8 8 0 0 0 0-16z"/>
</svg>
`;

mkdirSync(`${OUT}static`, { recursive: true });
const save = (name, bytes) => writeFileSync(OUT + name, bytes);
save('static/favicon.svg', SVG);
save('static/favicon.ico', ico(48, draw(48, sheet(0.95, true))));
save('static/favicon.png', draw(96, sheet(0.95, true)));
save('static/favicon-96x96.png', draw(96, sheet(0.95, true)));
save('static/logo.png', draw(192, sheet(0.9, true)));
save('static/apple-touch-icon.png', draw(180, sheet(0.8, false)));
// Masked icons may lose a fifth at each edge.
save('static/web-app-manifest-192x192.png', draw(192, sheet(0.7, false)));
save('static/web-app-manifest-512x512.png', draw(512, sheet(0.7, false)));
save('static/user.png', draw(96, person));
save('favicon.png', draw(96, sheet(0.95, true)));
save('user.png', draw(96, person));
