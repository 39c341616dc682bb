/** What of a message is shown, in order: text, reasoning, tool calls. */

import type { Message, MessageError, OutputItem, TextPart } from '../api/shapes';
import { growingText } from './assembler';

export type Part =
  | { kind: 'text'; key: string; text: string }
  | { kind: 'reasoning'; key: string; text: string; done: boolean; seconds: number | null }
  | { kind: 'tool'; key: string; name: string; input: string; result: string | null; done: boolean };

export function partsOf(message: Message): Part[] {
  const output = message.output ?? [];
  if (!output.some((item) => item.type === 'message') && message.content) {
    return [...outputParts(output), { kind: 'text', key: 'content', text: message.content }];
  }
  return outputParts(output);
}

function outputParts(output: OutputItem[]): Part[] {
  const results = new Map<string, string>();
  for (const item of output) {
    if (item.type === 'function_call_output' && item.call_id) results.set(item.call_id, resultText(item.output));
  }
  const parts: Part[] = [];
  output.forEach((item, index) => {
    const key = item.id ?? `${item.type}-${index}`;
    const done = item.status !== 'in_progress' || index < output.length - 1;
    if (item.type === 'message') parts.push({ kind: 'text', key, text: growingText(item) });
    else if (item.type === 'reasoning') {
      parts.push({ kind: 'reasoning', key, text: growingText(item), done, seconds: item.duration ?? null });
    } else if (item.type === 'function_call') {
      const result = results.get(item.call_id ?? '') ?? null;
      parts.push({
        kind: 'tool',
        key,
        name: item.name || 'tool',
        input: tidyJson(item.arguments ?? ''),
        result,
        done: result !== null || item.status === 'completed',
      });
    }
  });
  return parts;
}

function resultText(output: string | TextPart[] | undefined): string {
  if (typeof output === 'string') return output;
  return (output ?? []).map((part) => part.text ?? '').join('');
}

/** Arguments of a call, indented when they are whole. */
function tidyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The answer's text alone, as it is copied. */
export function textOf(message: Message): string {
  const texts = (message.output ?? []).filter((item) => item.type === 'message').map(growingText);
  return texts.length > 0 ? texts.join('\n') : message.content;
}

/** The cause of a failed reply as a sentence, or null. */
export function errorOf(message: Message): string | null {
  const error = message.error;
  if (!error) return null;
  if (error === true) return textOf(message) || 'The reply failed and the server gave no cause.';
  if (typeof error === 'string') return error;
  return errorText(error) ?? 'The reply failed and the server gave no cause.';
}

function errorText(error: MessageError | Record<string, unknown>): string | null {
  const fields = error as Record<string, unknown>;
  for (const name of ['content', 'message', 'detail', 'error']) {
    const value = fields[name];
    if (typeof value === 'string' && value) return value;
    if (value && typeof value === 'object') {
      const inner = errorText(value as Record<string, unknown>);
      if (inner) return inner;
    }
  }
  return null;
}

/** Whether the reply was cut short: stopped by somebody, or ended before the provider was done. */
export function isIncomplete(message: Message): boolean {
  return (message.output ?? []).some((item) => item.status === 'incomplete');
}
