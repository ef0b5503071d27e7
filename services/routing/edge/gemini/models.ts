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

function writeModel({ name, facts }: Model): JsonObject {
  return {
    name: `models/${name}`,
    displayName: name,
    ...(facts?.contextWindowTokens === undefined ? {} : { inputTokenLimit: Number(facts.contextWindowTokens) }),
    ...(facts?.maxOutputTokens === undefined ? {} : { outputTokenLimit: Number(facts.maxOutputTokens) }),
    ...(facts?.reasoning === undefined ? {} : { thinking: facts.reasoning }),
    supportedGenerationMethods: methods[facts?.operation ?? ""] ?? Object.values(methods).flat(),
  };
}

/** By operation. Clients leave out models that cannot do what they want, so one of which it is not known has all. */
const methods: Readonly<Record<string, readonly string[]>> = {
  generate: ["generateContent", "streamGenerateContent", "countTokens"],
  embed: ["embedContent", "batchEmbedContents"],
};
