/** Bodies of `POST /api/chat/completions`. The page names the messages; the server keeps them. */

import type { Message, Model, Session } from '../api/shapes';

/** Prefix of the id of a chat that is not stored; the rest is the id of the socket. */
export const TEMPORARY = 'temporary:';

export interface Turn {
  question: Message;
  answer: Message;
}

export interface RequestInput {
  turn: Turn;
  model: Model;
  session: Session;
  socketId: string;
  /** Null for a new chat: the server makes it and answers with its id. */
  chatId: string | null;
  systemPrompt: string;
  /** The conversation before the answer, for a temporary chat only. */
  messages?: unknown[];
  now: Date;
}

export function requestBody(input: RequestInput): Record<string, unknown> {
  const { turn, model, session, now } = input;
  const first = turn.question.parentId === null;
  const temporary = input.messages !== undefined;
  const body: Record<string, unknown> = {
    stream: true,
    model: model.id,
    params: input.systemPrompt ? { model_controls: {}, system: input.systemPrompt } : { model_controls: {} },
    tool_ids: [],
    tool_servers: [],
    features: { voice: false, image_generation: false, code_interpreter: false, web_search: false, memory: false },
    variables: variables(session, now),
    chat_variables: {},
    model_item: model,
    session_id: input.socketId,
    id: turn.answer.id,
    message_ids: [{ model_id: model.id, message_id: turn.answer.id, modelIdx: 0 }],
    parent_id: turn.question.parentId,
    user_message: turn.question,
    background_tasks:
      first && !temporary
        ? { title_generation: true, tags_generation: true, follow_up_generation: true }
        : { follow_up_generation: true },
  };
  if (input.chatId !== null) body['chat_id'] = input.chatId;
  if (temporary) body['messages'] = input.messages;
  return body;
}

/** The conversation as a temporary chat sends it: questions by content, answers by output. */
export function temporaryMessages(path: Message[]): unknown[] {
  return path
    .filter((message) => message.role === 'user' || (message.output ?? []).length > 0)
    .map((message) =>
      message.role === 'user'
        ? { id: message.id, role: 'user', content: message.content }
        : { role: 'assistant', model: message.model, output: message.output },
    );
}

function variables(session: Session, now: Date): Record<string, string> {
  const two = (value: number) => String(value).padStart(2, '0');
  const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return {
    '{{USER_NAME}}': session.name,
    '{{USER_EMAIL}}': session.email,
    '{{USER_LOCATION}}': 'Unknown',
    '{{CURRENT_DATETIME}}': `${date} ${time}`,
    '{{CURRENT_DATE}}': date,
    '{{CURRENT_TIME}}': time,
    '{{CURRENT_WEEKDAY}}': now.toLocaleDateString('en-US', { weekday: 'long' }),
    '{{CURRENT_TIMEZONE}}': Intl.DateTimeFormat().resolvedOptions().timeZone,
    '{{USER_LANGUAGE}}': navigator.language,
  };
}
