/** Owns what a trace says of an attempt, in the words of OpenTelemetry for generative AI and in Weir's: never what was sent or came back. */
import type { AttemptOutcome } from "#gen/weir/metering/v1/usage_event_pb.ts";
import type { AttemptRequest } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Meter, UsageSource, type Usage } from "#gen/weir/types/v1/usage_pb.ts";
import { genAiOperation } from "#platform/tracing/gen-ai-operation.ts";
import type { Facts } from "#platform/tracing/span.ts";

/** Where an attempt goes. */
export interface RecordedTarget {
  readonly vendor: string;
  readonly baseUrl: string;
}

// https://github.com/open-telemetry/semantic-conventions-genai has these for vendors whom Weir calls otherwise.
const providerNames: Readonly<Record<string, string>> = {
  azure: "azure.ai.openai",
  bedrock: "aws.bedrock",
  gemini: "gcp.gemini",
  mistral: "mistral_ai",
  vertex: "gcp.vertex_ai",
  vertex_anthropic: "gcp.vertex_ai",
  xai: "x_ai",
};

// The conventions count inclusively, where Weir's meters are disjoint.
const inputMeters: readonly Meter[] = [Meter.INPUT_TOKENS, Meter.CACHED_INPUT_TOKENS, Meter.CACHE_WRITE_5M_INPUT_TOKENS, Meter.CACHE_WRITE_1H_INPUT_TOKENS, Meter.AUDIO_INPUT_TOKENS, Meter.IMAGE_INPUT_TOKENS];
const outputMeters: readonly Meter[] = [Meter.OUTPUT_TOKENS, Meter.REASONING_OUTPUT_TOKENS, Meter.AUDIO_OUTPUT_TOKENS, Meter.IMAGE_OUTPUT_TOKENS];

/** Callers can make a model's name as long as they like. */
const mostCharacters = 100;

/** `operation` is the ledger's word; undefined where it was not found out what would be sent. */
export function attemptName({ model }: AttemptRequest, operation: string | undefined): string {
  return `${operation === undefined ? "attempt" : genAiOperation(operation)} ${model.slice(0, mostCharacters)}`.trimEnd();
}

export function attemptFacts(request: AttemptRequest, target: RecordedTarget | undefined, operation: string | undefined, outcome: AttemptOutcome | undefined): Facts {
  return {
    "weir.request_id": request.requestId,
    "weir.attempt_id": request.attemptId,
    "weir.provider": request.provider,
    "gen_ai.operation.name": operation && genAiOperation(operation),
    "gen_ai.provider.name": target && (providerNames[target.vendor] ?? target.vendor),
    "gen_ai.request.model": known(request.model),
    "server.address": target && URL.parse(target.baseUrl)?.hostname,
    ...(outcome === undefined ? {} : outcomeFacts(outcome)),
  };
}

function outcomeFacts({ servedModel, finishReason, httpStatus, usage }: AttemptOutcome): Facts {
  return {
    "gen_ai.response.model": known(servedModel),
    "gen_ai.response.finish_reasons": finishReason === "" ? undefined : [finishReason],
    "gen_ai.usage.input_tokens": sumOf(usage, inputMeters),
    "gen_ai.usage.output_tokens": sumOf(usage, outputMeters),
    "http.response.status_code": httpStatus === 0 ? undefined : httpStatus,
  };
}

/** Undefined where the vendor reports nothing of it: the ledger may come to another estimate. */
function sumOf(usage: Usage | undefined, meters: readonly Meter[]): number | undefined {
  if (usage?.source !== UsageSource.PROVIDER) return undefined;
  const counted = usage.quantities.filter(({ meter }) => meters.includes(meter));
  return counted.length === 0 ? undefined : Number(counted.reduce((sum, { quantity }) => sum + quantity, 0n));
}

function known(word: string): string | undefined {
  return word === "" ? undefined : word;
}
