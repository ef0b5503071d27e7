/** Owns the meaning of a text for the cache: a vector that an embedding model gives it, asked for on the account of the call. */
import { create } from "@bufbuild/protobuf";
import { EmbedRequestSchema, type EmbedResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { unaryCall } from "../asked-call.ts";
import { runOwnCall, type OwnCallOf } from "../own-call.ts";
import type { PipelineDependencies } from "../pipeline.ts";
import { planFor } from "../targets/plan-call.ts";
import type { Target } from "../targets/plan.ts";
import { cacheLabel } from "../reserved-labels.ts";
import { identityOf } from "./cache-key.ts";
import type { Similarity } from "./cache-rule.ts";
import { unitVector } from "./similarity.ts";

export interface Meaning {
  /** Which model at which provider gave the vector: those of others say something else. */
  readonly space: string;
  /** Of the length 1. */
  readonly vector: Float32Array;
}

export interface MeaningQuestion {
  readonly text: string;
  readonly by: Similarity;
  readonly call: OwnCallOf;
  /** Whether the text may be told there. */
  readonly mayGoTo: (target: Target) => boolean;
}

/** Undefined where there is none in time, whatever the reason; never rejects. */
export type AskMeaning = (question: MeaningQuestion) => Promise<Meaning | undefined>;

/** Undefined where the text may be told to none of the model's targets. Rejects when the model cannot be asked, or gives no vector. */
export async function meaningByModel({ text, by: { model }, call, mayGoTo }: MeaningQuestion, signal: AbortSignal, pipeline: PipelineDependencies): Promise<Meaning | undefined> {
  const request = create(EmbedRequestSchema, { model, inputs: [text] });
  const asked = unaryCall({ operation: "embed", model, native: undefined, strict: false, unknownFields: () => [], toRequest: () => request });
  const plan = planFor({ ...asked, grant: call.grant, labels: call.labels }, pipeline.view());
  const targets = plan.targets.filter(mayGoTo);
  if (targets.length === 0) return undefined;
  const reply = await runOwnCall({ ...asked, plan: { ...plan, targets } }, call, { [cacheLabel]: "similar" }, signal, pipeline);
  let response: EmbedResponse | undefined;
  for await (const { embed } of reply.messages) response ??= embed;
  const vector = unitVector(response?.embeddings[0]?.values ?? []);
  if (vector === undefined) throw new GatewayError("UPSTREAM_PROTOCOL", `${reply.target.name} gave the text no vector that it could be compared by.`);
  return { space: identityOf(reply.target).join(" "), vector };
}
