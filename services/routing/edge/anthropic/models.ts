/** Owns the list of models in Anthropic's shape. */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { JsonObject } from "../../domain/dialect.ts";

/** One page with all models: Weir's list is short. What Weir does not know of a model is null, as Anthropic writes it. */
export function writeModels(models: readonly Model[], createTimeMs: number): JsonObject {
  const createdAt = new Date(createTimeMs).toISOString();
  return {
    data: models.map((model) => writeModel(model, createdAt)),
    has_more: false,
    first_id: models[0]?.name ?? null,
    last_id: models.at(-1)?.name ?? null,
  };
}

function writeModel(model: Model, createdAt: string): JsonObject {
  return {
    type: "model",
    id: model.name,
    display_name: model.name,
    created_at: createdAt,
    lifecycle: "active",
    capabilities: null,
    line: null,
    max_input_tokens: null,
    max_tokens: null,
    deprecated_at: null,
    retires_at: null,
  };
}
