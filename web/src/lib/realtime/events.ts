/** What arrives as the socket event `events`. */

import type { Message, OutputItem } from '../api/shapes';
import type { ResponseEvent } from '../chat/assembler';

export interface Envelope {
  chat_id?: string;
  message_id?: string | null;
  /** Set on the copies that go to everybody who has the chat open. */
  shared?: boolean;
  user_id?: string;
  data?: { type?: string; data?: unknown };
}

export interface CompletionData {
  done?: boolean;
  output?: OutputItem[];
  error?: unknown;
  title?: string;
  content?: string;
}

export interface MessagesData {
  messages?: Record<string, Message>;
  currentId?: string;
}

export interface ListData {
  chat_id?: string;
  last_read_at?: number;
}

export type { ResponseEvent };
