/** Owns the vendor `vertex`: Google's models on Vertex AI, which takes and answers what the Gemini API does, at another place. */
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { VendorAdapter, VendorRequest } from "../../domain/adapter.ts";
import { Warnings } from "../../domain/translation/warnings.ts";
import { geminiVendor } from "../gemini/gemini-vendor.ts";
import { speechAdapter } from "../gemini/speech.ts";
import type { VendorSettings } from "../vendor-settings.ts";
import { createEmbedAdapter } from "./embeddings.ts";
import { keptOnVertex, modelPath, placePath } from "./place.ts";

export function createVertexVendor(settings: VendorSettings): VendorAdapter {
  const place = placePath(settings);
  const { generate } = geminiVendor;

  function atPlace(request: VendorRequest, model: string, stream: boolean): VendorRequest {
    return { ...request, path: `${place}${modelPath("google", model)}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}` };
  }

  return {
    vendor: "vertex",
    ...keptOnVertex(geminiVendor, settings),
    generate: {
      ...generate,
      buildRequest: (generation, model, stream) => atPlace(buildWithoutStore(generation, model, stream), model, stream),
      buildNativeRequest: (body, model, stream, outputMaximum) => atPlace(generate.buildNativeRequest(body, model, stream, outputMaximum), model, stream),
    },
    operations: { embed: createEmbedAdapter(place) },
    speech: { ...speechAdapter, buildRequest: (request, model) => atPlace(speechAdapter.buildRequest(request, model), model, false) },
  };
}

/** Source: generateContentConfigToVertex in @google/genai; `store` is the one option of ours that Gemini has and Vertex AI has not. */
function buildWithoutStore(generation: Generation, model: string, stream: boolean): VendorRequest {
  const { store, ...rest } = generation;
  const request = geminiVendor.generate.buildRequest(rest, model, stream);
  if (store === undefined) return request;
  const warnings = new Warnings("Vertex AI", generation.strict);
  warnings.add("store", "Vertex AI has nothing like it; it is left out.");
  return { ...request, warnings: [...request.warnings, ...warnings.list] };
}
