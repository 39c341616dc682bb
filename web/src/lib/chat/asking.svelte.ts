/** What the reader does in a chat: ask, stop, ask again, edit, switch between branches. */

import * as api from '../api/chats';
import { causeOf } from '../api/http';
import type { Message, Model } from '../api/shapes';
import { connection } from '../realtime/connection.svelte';
import { models } from '../session/models.svelte';
import { session } from '../session/session.svelte';
import { uuid } from '../text/uuid';
import { insert, latestLeaf, neighbour, pathOf } from './branches';
import { conversation } from './conversation.svelte';
import { requestBody, TEMPORARY, temporaryMessages, type Turn } from './request';

/** What *Continue* asks after a reply that was cut short. */
const CONTINUE = 'Continue where you stopped.';

class Asking {
  /** Between the press of Stop and the word that it has stopped. */
  stopping = $state(false);
  /** Why Stop did not reach the server. */
  stopFailure = $state('');

  #temporaryId: string | null = null;

  /** Asks a question at the end of what is shown. */
  async ask(text: string): Promise<void> {
    this.#dropUnsent();
    await this.#askBelow(conversation.history.currentId, text);
  }

  /** Asks an edited question beside the old one. */
  async edit(question: Message, text: string): Promise<void> {
    await this.#askBelow(question.parentId, text);
  }

  /** Asks for another answer beside the old one. */
  async regenerate(answer: Message): Promise<void> {
    const question = conversation.history.messages[answer.parentId ?? ''];
    const model = models.chosen ?? models.byId(answer.model);
    if (!question || !model) return;
    const fresh = newAnswer(question.id, model);
    insert(conversation.history, [fresh]);
    conversation.history.currentId = fresh.id;
    await this.#request(question.id, fresh.id, model);
  }

  /** Sends again what did not arrive, or asks again after a failed reply. */
  async retry(answer: Message): Promise<void> {
    if (!conversation.unsent.has(answer.id)) return await this.regenerate(answer);
    const model = models.byId(answer.model) ?? models.chosen;
    if (!model || answer.parentId === null) return;
    conversation.unsent.delete(answer.id);
    answer.error = null;
    answer.done = false;
    answer.model = model.id;
    await this.#request(answer.parentId, answer.id, model);
  }

  /** Goes on after a reply that was stopped or interrupted. */
  async continue(): Promise<void> {
    await this.ask(CONTINUE);
  }

  async stop(): Promise<void> {
    const id = conversation.temporary ? this.#temporaryId : conversation.id;
    if (id === null || !conversation.writing || this.stopping) return;
    this.stopping = true;
    this.stopFailure = '';
    try {
      await api.stopTasks(id);
    } catch (error) {
      this.stopFailure = causeOf(error);
    } finally {
      this.stopping = false;
    }
  }

  /** Shows the sibling before or after a message, and remembers it. */
  switchBranch(message: Message, step: -1 | 1): void {
    const { history } = conversation;
    const target = neighbour(history, message, step);
    if (target === null) return;
    history.currentId = latestLeaf(history, target);
    if (conversation.id === null || conversation.writing) return;
    // Only a view: when it is not kept, the next visit shows the other branch.
    void api.showBranch(conversation.id, history.currentId).then(
      () => conversation.markRead(),
      () => undefined,
    );
  }

  async #askBelow(parentId: string | null, text: string): Promise<void> {
    const { chosen: model } = models;
    const { user } = session;
    if (!model || !user) return;
    const question: Message = {
      id: uuid(),
      parentId,
      childrenIds: [],
      role: 'user',
      user: { id: user.id, name: user.name },
      user_id: user.id,
      content: text,
      files: [],
      timestamp: now(),
      models: [model.id],
    };
    const answer = newAnswer(question.id, model);
    insert(conversation.history, [question]);
    insert(conversation.history, [answer]);
    conversation.history.currentId = answer.id;
    if (conversation.phase === 'new') conversation.phase = 'ready';
    await this.#request(question.id, answer.id, model);
  }

  async #request(questionId: string, answerId: string, model: Model): Promise<void> {
    const { epoch } = conversation;
    const { user } = session;
    const question = conversation.history.messages[questionId];
    const answer = conversation.history.messages[answerId];
    if (!user || !question || !answer) return;
    conversation.live.add(answerId);
    this.stopFailure = '';
    try {
      const socketId = await connection.ready();
      if (epoch !== conversation.epoch) return;
      const turn: Turn = { question: plain(question), answer: plain(answer) };
      const { temporary } = conversation;
      if (temporary) this.#temporaryId = TEMPORARY + socketId;
      const result = await api.requestReply(
        requestBody({
          turn,
          model,
          session: user,
          socketId,
          chatId: temporary ? this.#temporaryId : conversation.id,
          systemPrompt: session.settings.ui?.system?.trim() ?? '',
          ...(temporary ? { messages: this.#conversationBefore(answerId) } : {}),
          now: new Date(),
        }),
      );
      if (epoch === conversation.epoch && result.chat_id) conversation.adopt(result.chat_id);
    } catch (error) {
      if (epoch !== conversation.epoch) return;
      this.#failed(answerId, causeOf(error));
    }
  }

  #failed(answerId: string, cause: string): void {
    const answer = conversation.history.messages[answerId];
    // The answer to the request was lost, but the reply itself has begun or ended: nothing has failed.
    if (!answer || answer.done || (answer.output ?? []).length > 0) return;
    conversation.live.delete(answerId);
    conversation.unsent.add(answerId);
    answer.done = true;
    answer.error = { content: cause };
  }

  /** A question that never arrived gives way to the next one. */
  #dropUnsent(): void {
    const { history, path, unsent } = conversation;
    const answer = path.at(-1);
    if (!answer || !unsent.has(answer.id)) return;
    const question = history.messages[answer.parentId ?? ''];
    const onlyAnswer = question?.childrenIds.length === 1;
    history.currentId = (onlyAnswer ? question?.parentId : latestOther(question, answer.id)) ?? null;
    unsent.delete(answer.id);
    delete history.messages[answer.id];
    if (question) question.childrenIds = question.childrenIds.filter((id) => id !== answer.id);
    if (onlyAnswer && question) {
      delete history.messages[question.id];
      const parent = history.messages[question.parentId ?? ''];
      if (parent) parent.childrenIds = parent.childrenIds.filter((id) => id !== question.id);
    }
  }

  #conversationBefore(answerId: string): unknown[] {
    const path = pathOf({ ...conversation.history, currentId: answerId });
    return temporaryMessages(path.slice(0, -1).map(plain));
  }
}

const now = () => Math.floor(Date.now() / 1000);

const plain = (message: Message): Message => $state.snapshot(message) as Message;

const latestOther = (question: Message | undefined, id: string) =>
  question?.childrenIds.filter((child) => child !== id).at(-1) ?? question?.parentId;

function newAnswer(parentId: string, model: Model): Message {
  return {
    id: uuid(),
    parentId,
    childrenIds: [],
    role: 'assistant',
    content: '',
    done: false,
    model: model.id,
    modelIdx: 0,
    output: [],
    timestamp: now(),
  };
}

export const asking = new Asking();
