/**
 * Owns Gemini and Claude as Vertex AI would take and answer them: as Google and Anthropic themselves, at another place and with a token
 * (https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference and
 * https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).
 */
import type { Player } from "../exchange.ts";
import { anthropicPlayer } from "./anthropic.ts";
import { geminiPlayer } from "./gemini.ts";

const place = { basePath: "/v1", apiKey: "ya29.token", settings: "project: river, location: eu," };
const modelsOf = (publisher: string): string => `/v1/projects/river/locations/eu/publishers/${publisher}/models/`;

export const vertexPlayer: Player = {
  ...geminiPlayer,
  ...place,
  vendor: "vertex",
  read(request, stream) {
    const models = modelsOf("google");
    if (!request.path.startsWith(models)) throw new Error(`no such path: ${request.path}`);
    if (request.headers.authorization !== "Bearer ya29.token") throw new Error("no token");
    if ("store" in (JSON.parse(request.body.toString()) as object)) throw new Error("store is not known");
    return geminiPlayer.read({ ...request, path: request.path.replace(models, "/v1beta/models/"), headers: { "x-goog-api-key": geminiPlayer.apiKey } }, stream);
  },
};

export const vertexAnthropicPlayer: Player = {
  ...anthropicPlayer,
  ...place,
  vendor: "vertex_anthropic",
  read({ path, headers, body, ...request }, stream) {
    if (path !== `${modelsOf("anthropic")}claude-opus-4-6:${stream ? "streamRawPredict" : "rawPredict"}`) throw new Error(`no such path: ${path}`);
    if (headers.authorization !== "Bearer ya29.token") throw new Error("no token");
    const { anthropic_version: version, ...message } = JSON.parse(body.toString()) as Readonly<Record<string, unknown>>;
    if (version !== "vertex-2023-10-16") throw new Error("no version");
    if ("model" in message) throw new Error("model: extra inputs are not permitted");
    const asAnthropic = { "x-api-key": anthropicPlayer.apiKey, "anthropic-version": "2023-06-01" };
    return anthropicPlayer.read({ ...request, path: "/v1/messages", headers: asAnthropic, body: Buffer.from(JSON.stringify({ ...message, model: "claude-opus-4-6" })) }, stream);
  },
};
