/** Owns a conversation with models: what was asked, what was answered, and what of it goes with the next call; kept in the page's memory alone. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Role, type MessageSchema } from "#gen/weir/inference/v1/content_pb.ts";
import type { GenerationSchema } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { CallFailure } from "./failure.ts";
import { charactersOf, grown, noReply, textOfReply, type Ending, type Reply, type ReplyEvent } from "./reply.ts";

/** What a call asks for. */
export interface Asked {
  readonly model: string;
  /** Empty for none. */
  readonly systemPrompt: string;
  readonly prompt: string;
  /** Undefined for the vendor's default. */
  readonly maximumOutputTokens: bigint | undefined;
  readonly temperature: number | undefined;
  readonly isStreamed: boolean;
}

export interface Turn {
  readonly id: number;
  readonly asked: Asked;
  readonly reply: Reply;
}

export type Conversation = readonly Turn[];

export type Happening =
  | { readonly type: "asked"; readonly id: number; readonly asked: Asked }
  | { readonly type: "headers"; readonly id: number; readonly requestId: string; readonly cacheState: string }
  | { readonly type: "event"; readonly id: number; readonly event: ReplyEvent; readonly elapsedMs: number }
  | { readonly type: "ended"; readonly id: number; readonly ending: Ending; readonly failure?: CallFailure; readonly elapsedMs: number }
  /** As if it had never been asked. */
  | { readonly type: "withdrawn"; readonly id: number }
  | { readonly type: "cleared" };

/** Of one prompt, in characters. */
export const mostPromptCharacters = 100_000;
const mostTurns = 50;
const mostCharacters = 500_000;

/** Calls of this page can be told from those of applications in every report. */
const labels = { application: "weir-console" };

export function after(conversation: Conversation, happening: Happening): Conversation {
  switch (happening.type) {
    case "asked":
      return [...conversation, { id: happening.id, asked: happening.asked, reply: noReply }];
    case "withdrawn":
      return conversation.filter(({ id }) => id !== happening.id);
    case "cleared":
      return [];
    // What comes late for a turn that was cleared away changes nothing.
    default:
      return conversation.map((turn) => (turn.id === happening.id ? { ...turn, reply: replyAfter(turn.reply, happening) } : turn));
  }
}

function replyAfter(reply: Reply, happening: Extract<Happening, { readonly type: "headers" | "event" | "ended" }>): Reply {
  if (happening.type === "event") return grown(reply, happening.event, happening.elapsedMs);
  if (happening.type === "headers") return { ...reply, requestId: happening.requestId, cacheState: happening.cacheState };
  return { ...reply, ending: happening.ending, failure: happening.failure, totalMs: happening.elapsedMs };
}

export function isAnswering(conversation: Conversation): boolean {
  return conversation.some(({ reply }) => reply.ending === undefined);
}

/** Whether the page holds no further turn. */
export function isFull(conversation: Conversation): boolean {
  const characters = conversation.reduce((sum, { asked, reply }) => sum + asked.prompt.length + charactersOf(reply), 0);
  return conversation.length >= mostTurns || characters >= mostCharacters;
}

/** The call that goes on with the conversation: after the turns that got an answer, or a part of one. */
export function generationOf(conversation: Conversation, { model, systemPrompt, prompt, maximumOutputTokens, temperature }: Asked): MessageInitShape<typeof GenerationSchema> {
  const earlier = conversation.filter(({ reply }) => textOfReply(reply) !== "").flatMap(({ asked, reply }) => [said(Role.USER, asked.prompt), said(Role.ASSISTANT, textOfReply(reply))]);
  return {
    model,
    messages: [...(systemPrompt === "" ? [] : [said(Role.SYSTEM, systemPrompt)]), ...earlier, said(Role.USER, prompt)],
    ...(maximumOutputTokens === undefined ? {} : { maxOutputTokens: maximumOutputTokens }),
    ...(temperature === undefined ? {} : { sampling: { temperature } }),
    labels,
  };
}

function said(role: Role, text: string): MessageInitShape<typeof MessageSchema> {
  return { role, parts: [{ kind: { case: "text", value: { text } } }] };
}
