/** Owns the writing of a reply as a Response. */
import type { Usage } from "#gen/weir/types/v1/usage_pb.ts";
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";
import { unknownEnding, writeEnding, type Ending } from "./ending.ts";
import type { ReplyForm } from "./reply-form.ts";
import { identityOf, itemId, responseId, type ReplyIdentity } from "./reply-identity.ts";
import { writeUsage } from "./usage.ts";
import { idPrefix, isContent, messageItem, writeContent, writeItem } from "./write-items.ts";

/** A Response has one candidate, and this dialect has no way to ask for more: any other is left out. */
export function writeReply(response: GenerateResponse, form: ReplyForm): JsonObject {
  const identity = identityOf(response);
  const candidate = response.candidates[0];
  const parts = candidate?.message?.parts ?? [];
  const output = writeOutput(parts, candidate?.logprobs ?? [], identity, form);
  return endedResponse({ identity, form, output, ending: candidate ?? unknownEnding, hasRefusal: parts.some(({ kind }) => kind.case === "refusal"), usage: response.usage, serviceTier: response.serviceTier });
}

/** A Response that is still being made. */
export function growingResponse(identity: ReplyIdentity, form: ReplyForm): JsonObject {
  return { ...writeHead(identity, form), status: "in_progress", incomplete_details: null, output: [], usage: null, service_tier: "auto" };
}

export interface EndedReply {
  readonly identity: ReplyIdentity;
  readonly form: ReplyForm;
  readonly output: readonly JsonObject[];
  readonly ending: Ending;
  readonly hasRefusal: boolean;
  readonly usage: Usage | undefined;
  readonly serviceTier: string | undefined;
}

/** A Response that has ended; what it broke off at says so too. */
export function endedResponse({ identity, form, output, ending, hasRefusal, usage, serviceTier }: EndedReply): JsonObject {
  const written = writeEnding(ending, hasRefusal);
  const isCutOff = written.status === "incomplete" && output.at(-1)?.["status"] === "completed";
  return {
    ...writeHead(identity, form),
    ...written,
    output: isCutOff ? [...output.slice(0, -1), { ...output.at(-1), status: "incomplete" }] : output,
    usage: writeUsage(usage),
    service_tier: serviceTier ?? null,
  };
}

function writeHead(identity: ReplyIdentity, { echo }: ReplyForm): JsonObject {
  return { id: responseId(identity), object: "response", created_at: identity.created, model: identity.model, error: null, ...echo };
}

/** Words that follow each other are one message. The vendor counts probabilities through all of them, so they stand with the first. */
function writeOutput(parts: readonly Part[], logprobs: readonly TokenLogprob[], identity: ReplyIdentity, form: ReplyForm): JsonObject[] {
  const output: JsonObject[] = [];
  let content: JsonObject[] | undefined;
  let rest = logprobs;
  for (const part of parts) {
    if (!isContent(part)) {
      content = undefined;
      output.push(writeItem(part, itemId(identity, idPrefix(part, form), output.length), "completed", form));
      continue;
    }
    if (content === undefined) {
      content = [];
      output.push(messageItem(itemId(identity, "msg", output.length), "completed", content));
    }
    content.push(writeContent(part, rest));
    if (part.kind.case === "text") rest = [];
  }
  return output;
}
