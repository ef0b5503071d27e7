/** Owns the list of models, and one model, in Gemini's shape: https://ai.google.dev/api/models */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GetModelEndpoint, JsonObject, ListModelsEndpoint } from "../../domain/dialect.ts";

/** The two methods under this version of the API. */
export function modelEndpoints(version: string): (ListModelsEndpoint | GetModelEndpoint)[] {
  return [
    { operation: "listModels", method: "GET", path: `/${version}/models`, writeReply: writeModels },
    { operation: "getModel", method: "GET", path: `/${version}/models/{model}`, writeReply: writeModel },
  ];
}

/** One page with all models: Weir's list is short. */
function writeModels(models: readonly Model[]): JsonObject {
  return { models: models.map(writeModel) };
}

/** Weir does not know which model can do what, and clients leave out those that cannot do what they want: so all methods are named. */
function writeModel({ name }: Model): JsonObject {
  return {
    name: `models/${name}`,
    displayName: name,
    supportedGenerationMethods: ["generateContent", "streamGenerateContent", "embedContent", "batchEmbedContents", "countTokens"],
  };
}
