/** Owns the writing of a whole reply as a `text_completion`, and what its chunks share with it. */
import type { Part } from "#gen/weir/inference/v1/content_pb.ts";
import type { Candidate, TokenLogprob } from "#gen/weir/inference/v1/generation_pb.ts";
import type { GenerateResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { writeFinish } from "../chat/finish-reason.ts";
import { identityOf } from "../reply-identity.ts";
import { writeUsage } from "../usage.ts";

export function writeCompletion(response: GenerateResponse): object {
  const { id, created, model } = identityOf(response, "cmpl-");
  const usage = writeUsage(response.usage);
  return { id, object: "text_completion", created, model, choices: response.candidates.map(writeChoice), ...(usage === undefined ? {} : { usage }) };
}

function writeChoice(candidate: Candidate): object {
  const said = (candidate.message?.parts ?? []).map(sayPart);
  const reasoning = said.map((one) => one.reasoning).join("");
  return {
    text: said.map(({ text }) => text).join(""),
    index: candidate.index,
    logprobs: writeTokens(candidate.logprobs, 0),
    ...writeFinish(candidate, false),
    ...(reasoning === "" ? {} : { reasoning_content: reasoning }),
  };
}

/** A part's contribution: a completion has text alone, so what else a model sent becomes text that says so. */
export function sayPart({ kind }: Part): { readonly text: string; readonly reasoning: string } {
  switch (kind.case) {
    case "text":
    case "refusal":
      return { text: kind.value.text, reasoning: "" };
    case "reasoning":
      return { text: "", reasoning: kind.value.text };
    case "audio":
      return { text: kind.value.transcript ?? placeholder("sound"), reasoning: "" };
    default:
      return { text: placeholder(`a part of the kind "${kind.case ?? "unknown"}"`), reasoning: "" };
  }
}

function placeholder(what: string): string {
  return `[The reply holds ${what}, which this API cannot carry.]`;
}

/** @param offset where in the choice's text the first of the tokens stands */
export function writeTokens(logprobs: readonly TokenLogprob[], offset: number): object | null {
  if (logprobs.length === 0) return null;
  let next = offset;
  return {
    tokens: logprobs.map(({ token }) => token),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) => Object.fromEntries(top.map(({ token, logprob }) => [token, logprob]))),
    text_offset: logprobs.map(({ token }) => {
      const place = next;
      next += token.length;
      return place;
    }),
  };
}
