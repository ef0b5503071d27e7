/** Owns under what a reply is kept: everything that providers would be sent for it, and between whom it is shared. */
import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { AttemptRequestSchema, ProviderSchema, type AttemptRequest, type Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { parseJsonObject } from "#platform/formats/json.ts";
import type { Target } from "../targets/plan.ts";
import { withEnvelope, type UnaryName, type UnaryRequest } from "../unary-operation.ts";

type Operation = AttemptRequest["operation"];

/** SHA-256, in base64, over `request`, which holds an operation as it would be sent and nothing else, the target, and the sharers. */
export function cacheKey(sharers: readonly string[], target: Target, request: AttemptRequest): string {
  const hash = createHash("sha256").update(JSON.stringify([...sharers, ...identityOf(target)]));
  return hash.update("\n").update(toBinary(AttemptRequestSchema, { ...request, operation: withoutLabels(request.operation) })).digest("base64");
}

/** Which model it is, and what stands behind the name of its provider. */
export function identityOf({ provider, model }: Target): readonly [provider: string, model: string] {
  return [digestOf(provider), model];
}

/** Whether the vendor is asked to keep the reply, which is no reply to be given again. */
export function isToBeStored(operation: Operation): boolean {
  const generation = generationOf(operation);
  if (generation?.native === undefined) return generation?.store === true;
  const { buffer, byteOffset, byteLength } = generation.native.body;
  const body = Buffer.from(buffer, byteOffset, byteLength);
  // Most do not say the word, and need not be read once more.
  return body.includes('"store"') && parseJsonObject(body)["store"] === true;
}

/** Labels say who pays; no vendor sees them. */
function withoutLabels(operation: Operation): Operation {
  const { case: name, value } = operation;
  if (name === undefined) return operation;
  const generation = generationOf(operation);
  if (generation !== undefined) return { case: name, value: { ...value, generation: { ...generation, labels: {} } } } as Operation;
  return { case: name, value: withEnvelope(value as UnaryRequest<UnaryName>, { labels: {} }) } as Operation;
}

function generationOf({ case: name, value }: Operation): Generation | undefined {
  return name === "generate" || name === "streamGenerate" ? value.generation : undefined;
}

/** What stands behind a provider's name, as far as it is told. */
function digestOf(provider: Provider): string {
  const known = digests.get(provider);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(toBinary(ProviderSchema, provider)).digest("base64");
  digests.set(provider, digest);
  return digest;
}

const digests = new WeakMap<Provider, string>();
