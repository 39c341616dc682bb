/**
 * Puts a reply together from the events of its stream.
 *
 * Each delta says how many bytes (UTF-8) of the item's text came before it. That tells what is already here, what is
 * new, and whether something was missed. A delta without an offset comes from a server that does not count; it is
 * appended.
 */

import type { OutputItem, TextPart } from '../api/shapes';
import { dropBytes, utf8Length } from '../text/bytes';

/** Data of a `response:completion` event, as far as it concerns the text. */
export interface ResponseEvent {
  type?: string;
  item_id?: string;
  output_index?: number;
  content_index?: number;
  delta?: string;
  offset?: number;
  item?: OutputItem;
}

/** `gap` means that text before this delta is missing here: the whole message has to be read again. */
export type Outcome = 'applied' | 'known' | 'gap' | 'ignored';

interface Kind {
  type: string;
  part: string;
}

const KINDS: Record<string, Kind> = {
  'response.output_text.delta': { type: 'message', part: 'output_text' },
  'response.reasoning_text.delta': { type: 'reasoning', part: 'reasoning_text' },
  'response.reasoning_summary_text.delta': { type: 'reasoning', part: 'reasoning_text' },
  'response.function_call_arguments.delta': { type: 'function_call', part: '' },
};

/** Byte lengths of the items that grow, so that a long answer is not counted anew with each delta. */
export class ByteCounts {
  #known = new Map<string, { units: number; bytes: number }>();

  of(key: string, text: string): number {
    const known = this.#known.get(key);
    if (known && known.units === text.length) return known.bytes;
    const bytes = utf8Length(text);
    this.#known.set(key, { units: text.length, bytes });
    return bytes;
  }

  grown(key: string, text: string, bytes: number): void {
    this.#known.set(key, { units: text.length, bytes });
  }
}

/** Applies one event to the items of a message, in place. */
export function applyResponseEvent(output: OutputItem[], event: ResponseEvent, counts: ByteCounts): Outcome {
  if (event.type === 'response.output_item.added' || event.type === 'response.output_item.done') {
    return applyItem(output, event);
  }
  const kind = KINDS[event.type ?? ''];
  if (!kind || typeof event.delta !== 'string') return 'ignored';
  const index = indexOf(output, event, kind);
  const known = output[index];
  // Items come in order: one that is further on than the next place means that a whole item was missed.
  if (!known && typeof event.output_index === 'number' && event.output_index > output.length) return 'gap';
  const text = known ? growingText(known) : '';
  const key = event.item_id ?? `${index}`;
  const have = counts.of(key, text);
  const offset = event.offset ?? have;
  if (offset > have) return 'gap';
  const addition = offset === have ? event.delta : dropBytes(event.delta, have - offset);
  if (addition === null) return utf8Length(event.delta) <= have - offset ? 'known' : 'gap';
  if (addition === '' && known) return 'known';
  const grown = text + addition;
  if (known) setGrowingText(known, grown, kind);
  else {
    const item = emptyItem(kind, event.item_id);
    setGrowingText(item, grown, kind);
    output.push(item);
  }
  counts.grown(key, grown, have + utf8Length(addition));
  return 'applied';
}

function applyItem(output: OutputItem[], event: ResponseEvent): Outcome {
  const item = event.item;
  if (!item || typeof item !== 'object') return 'ignored';
  const index = output.findIndex((known) => known.id !== undefined && known.id === item.id);
  if (index < 0) {
    if (typeof event.output_index === 'number' && event.output_index > output.length) return 'gap';
    output.push({ ...item });
    return 'applied';
  }
  const known = output[index];
  // A late `added` must not take back text that deltas have brought since.
  if (!known || growingText(item).length < growingText(known).length) return 'known';
  output[index] = { ...known, ...item };
  return 'applied';
}

function indexOf(output: OutputItem[], event: ResponseEvent, kind: Kind): number {
  if (event.item_id !== undefined) {
    const byId = output.findIndex((item) => item.id === event.item_id);
    if (byId >= 0) return byId;
  }
  const byPlace = event.output_index;
  if (byPlace !== undefined) {
    const item = output[byPlace];
    // An item whose id differs is another one, unless one of the two has none.
    if (item && item.type === kind.type && (item.id === undefined || event.item_id === undefined)) return byPlace;
    return output.length;
  }
  const last = output.at(-1);
  return last?.type === kind.type ? output.length - 1 : output.length;
}

function emptyItem(kind: Kind, id: string | undefined): OutputItem {
  const item: OutputItem = { type: kind.type, status: 'in_progress' };
  if (id !== undefined) item.id = id;
  if (kind.type === 'message') item.role = 'assistant';
  if (kind.type === 'function_call') item.arguments = '';
  else item.content = [];
  return item;
}

/** The text that the deltas of this item add to. */
export function growingText(item: OutputItem): string {
  if (item.type === 'function_call') return item.arguments ?? '';
  return joined(item.content) || joined(item.summary);
}

/** How much all items hold, to tell an older state from a newer one. */
export function lengthOf(output: OutputItem[]): number {
  return output.reduce((sum, item) => sum + growingText(item).length, 0);
}

function setGrowingText(item: OutputItem, text: string, kind: Kind): void {
  if (kind.type === 'function_call') {
    item.arguments = text;
    return;
  }
  const first = item.content?.[0];
  if (first && item.content?.length === 1) first.text = text;
  else item.content = [{ type: kind.part, text }];
}

function joined(parts: TextPart[] | undefined): string {
  if (!parts) return '';
  if (parts.length === 1) return parts[0]?.text ?? '';
  return parts.map((part) => part.text ?? '').join('');
}
