/** Owns GET /v1/models. */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { ListModelsEndpoint } from "../../domain/dialect.ts";

export const modelsEndpoint: ListModelsEndpoint = { operation: "listModels", method: "GET", path: "/v1/models", writeReply };

function writeReply(models: readonly Model[], createTimeMs: number): object {
  const created = Math.floor(createTimeMs / 1000);
  return { object: "list", data: models.map((model) => ({ id: model.name, object: "model", created, owned_by: ownerOf(model) })) };
}

/** A route is Weir's own; a `provider/model` is the provider's. */
function ownerOf({ name, isRoute }: Model): string {
  const slash = name.indexOf("/");
  return isRoute || slash < 0 ? "weir" : name.slice(0, slash);
}
