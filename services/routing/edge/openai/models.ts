/** Owns GET /v1/models, and the same for one model. */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GetModelEndpoint, ListModelsEndpoint } from "../../domain/dialect.ts";

export const modelsEndpoint: ListModelsEndpoint = { operation: "listModels", method: "GET", path: "/v1/models", writeReply };

/** The name may hold a slash, encoded or not. */
export const modelEndpoint: GetModelEndpoint = { operation: "getModel", method: "GET", path: "/v1/models/{model}", writeReply: writeModel };

function writeReply(models: readonly Model[], createTimeMs: number): object {
  return { object: "list", data: models.map((model) => writeModel(model, createTimeMs)) };
}

function writeModel(model: Model, createTimeMs: number): object {
  return { id: model.name, object: "model", created: Math.floor(createTimeMs / 1000), owned_by: ownerOf(model) };
}

/** A route is Weir's own; a `provider/model` is the provider's. */
function ownerOf({ name, isRoute }: Model): string {
  const slash = name.indexOf("/");
  return isRoute || slash < 0 ? "weir" : name.slice(0, slash);
}
