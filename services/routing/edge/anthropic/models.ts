/** Owns models in Anthropic's shape: all of them, or one. */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";

/** One page with all models: Weir's list is short. What Weir does not know of a model is null, as Anthropic writes it. */
export function writeModels(models: readonly Model[], createTimeMs: number): JsonObject {
  return {
    data: models.map((model) => writeModel(model, createTimeMs)),
    has_more: false,
    first_id: models[0]?.name ?? null,
    last_id: models.at(-1)?.name ?? null,
  };
}

export function writeModel(model: Model, createTimeMs: number): JsonObject {
  return {
    type: "model",
    id: model.name,
    display_name: model.name,
    created_at: new Date(createTimeMs).toISOString(),
    lifecycle: "active",
    capabilities: null,
    line: null,
    max_input_tokens: numberOrNull(model.facts?.contextWindowTokens),
    max_tokens: numberOrNull(model.facts?.maxOutputTokens),
    deprecated_at: null,
    retires_at: null,
  };
}

function numberOrNull(tokens: bigint | undefined): number | null {
  return tokens === undefined ? null : Number(tokens);
}
