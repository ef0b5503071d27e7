/** Owns GET /api/tags and GET /api/version. */
import type { Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GetVersionEndpoint, JsonObject, ListModelsEndpoint } from "../../domain/dialect.ts";

export const tagsEndpoint = { operation: "listModels", method: "GET", path: "/api/tags", writeReply: writeTags } satisfies ListModelsEndpoint;

/** The version of Ollama whose API this is, for clients that ask what they can ask for; the first that has `logprobs`: https://github.com/ollama/ollama/releases/tag/v0.12.11 */
export const versionEndpoint = { operation: "getVersion", method: "GET", path: "/api/version", writeReply: () => ({ version: "0.12.11" }) } satisfies GetVersionEndpoint;

function writeTags(models: readonly Model[], createTimeMs: number): JsonObject {
  return { models: models.map(({ name }) => writeTag(name, createTimeMs)) };
}

/** Size, digest and details are of files, which models behind Weir are not. */
function writeTag(name: string, createTimeMs: number): JsonObject {
  return {
    name,
    model: name,
    modified_at: new Date(createTimeMs).toISOString(),
    size: 0,
    digest: "",
    details: { parent_model: "", format: "", family: "", families: [], parameter_size: "", quantization_level: "" },
  };
}
