/** Owns looking through what a target answers, in whatever form it comes. */
import { AttemptResponseSchema, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { OperationName } from "../../targets/capability.ts";
import type { CallGuard } from "../call-guard.ts";
import { checkedStream } from "../outside/checked-stream.ts";
import { GuardedParts } from "./guarded-parts.ts";
import { lookThrough, type Breathe } from "./look-through.ts";
import { withFittingCitations } from "./citations-and-signatures.ts";
import { isJson, rewriteJson } from "./rewrite-json.ts";
import { rewriteMessage } from "./rewrite-message.ts";

/** The longest reply in bytes that is held to be looked through whole. */
const maximumHeldBytes = 64 * 1024 * 1024;

/** The reply as the guardrails let it go to the caller; a generation is in types. Throws GUARDRAIL_BLOCKED. */
export function guardedReply(messages: AsyncIterable<AttemptResponse>, operation: OperationName, guard: CallGuard, breathe: Breathe): AsyncGenerator<AttemptResponse, void> {
  const looked = lookedThrough(messages, operation, guard, breathe);
  const outside = guard.outsideOfOutput;
  return outside === undefined ? looked : checkedStream(looked, outside);
}

async function* lookedThrough(messages: AsyncIterable<AttemptResponse>, operation: OperationName, guard: CallGuard, breathe: Breathe): AsyncGenerator<AttemptResponse, void> {
  const parts = new GuardedParts(guard);
  const held: AttemptResponse[] = [];
  let heldBytes = 0;
  let contentType = "";
  for await (const message of messages) {
    contentType ||= message.start?.contentType ?? "";
    // What comes behind what is held waits, too: the end is said last.
    if (held.length > 0 || (message.native.length > 0 && !isMedia(contentType))) {
      heldBytes += message.native.length;
      if (heldBytes > maximumHeldBytes) throw new GatewayError("GUARDRAIL_UNAVAILABLE", `The reply is longer than ${maximumHeldBytes} bytes, too long for guardrails to look through. Ask for less.`);
      held.push(message);
    } else if (message.native.length > 0) yield message;
    else if (message.events.length > 0) yield { ...message, events: parts.rewrite(message.events) };
    else yield withoutLogprobs(await lookedWhole(message, guard, breathe), guard);
  }
  if (held.length > 0) yield* guardedBytes(held, contentType, operation, guard, breathe);
}

async function lookedWhole(message: AttemptResponse, guard: CallGuard, breathe: Breathe): Promise<AttemptResponse> {
  const looked = await lookThrough((rewrite) => rewriteMessage(AttemptResponseSchema, message, rewrite), guard, "output", breathe);
  return looked.generate === undefined ? looked : { ...looked, generate: await withFittingCitations(looked.generate, message.generate!, guard, breathe) };
}

/** Sound and pictures are not looked into. */
function isMedia(contentType: string): boolean {
  return /^(?:audio|image|video)\/|^application\/octet-stream/.test(contentType);
}

async function* guardedBytes(held: readonly AttemptResponse[], contentType: string, operation: OperationName, guard: CallGuard, breathe: Breathe): AsyncGenerator<AttemptResponse, void> {
  if (contentType.startsWith("text/event-stream")) {
    throw new GatewayError("UNSUPPORTED_OPERATION", `Guardrails on the output do not look into the stream of ${operation} in this form. Ask for it in one piece.`, { metadata: { operation } });
  }
  const body = Buffer.concat(held.map(({ native }) => native));
  const text = body.toString("utf8");
  const looked = isJson(text) ? await lookThrough((rewrite) => rewriteJson(body, rewrite), guard, "output", breathe) : Buffer.from(await lookThrough((rewrite) => rewrite(text), guard, "output", breathe));
  yield { ...held[0]!, native: looked };
  for (const message of held.slice(1)) yield { ...message, native: new Uint8Array() };
}

/** The probabilities of tokens would spell out what was masked. */
function withoutLogprobs(message: AttemptResponse, guard: CallGuard): AttemptResponse {
  if (message.generate === undefined || !guard.changes("output")) return message;
  return { ...message, generate: { ...message.generate, candidates: message.generate.candidates.map((candidate) => ({ ...candidate, logprobs: [] })) } };
}
