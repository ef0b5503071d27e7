/**
 * Owns the vendor `vertex_anthropic`: Claude on Vertex AI, which takes and answers Anthropic's Messages, with the model in the path
 * (https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai).
 */
import { spliceJson, withoutMember } from "#platform/formats/json.ts";
import type { VendorAdapter, VendorRequest } from "../../domain/adapter.ts";
import { anyAddress } from "../../domain/media/remote-media.ts";
import { anthropicVendor } from "../anthropic/anthropic-vendor.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { keptOnVertex, modelPath, placePath } from "./place.ts";

/** Stands in the body, where Anthropic itself wants a header. */
const apiVersion = "vertex-2023-10-16";

export function createVertexAnthropicVendor(settings: VendorSettings): VendorAdapter {
  const place = placePath(settings);
  const { generate } = anthropicVendor;

  function atPlace(request: VendorRequest, model: string, stream: boolean): VendorRequest {
    return {
      ...request,
      path: `${place}${modelPath("anthropic", model)}:${stream ? "streamRawPredict" : "rawPredict"}`,
      body: spliceJson(withoutMember(request.body, "model"), { anthropic_version: apiVersion }),
    };
  }

  return {
    vendor: "vertex_anthropic",
    ...keptOnVertex(anthropicVendor, settings),
    generate: {
      ...generate,
      // https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai: neither addresses nor the Files API.
      takenAsBytes: { image: anyAddress, file: anyAddress },
      buildRequest: (generation, model, stream) => atPlace(generate.buildRequest(generation, model, stream), model, stream),
      buildNativeRequest: (body, model, stream, outputMaximum) => atPlace(generate.buildNativeRequest(body, model, stream, outputMaximum), model, stream),
    },
    operations: {},
  };
}
