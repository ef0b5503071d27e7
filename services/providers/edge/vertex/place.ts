/** Owns where a project's models are on Vertex AI. */
import type { VendorSettings } from "../vendor-settings.ts";

/** The path of a project's place, below the API's version. */
export function placePath(settings: VendorSettings): string {
  return `/projects/${settings.project}/locations/${locationOf(settings)}`;
}

/** Sources: the constructors of AnthropicVertex (packages/vertex-sdk of anthropic-sdk-typescript) and of ApiClient in @google/genai. */
export function baseUrlOf(settings: VendorSettings): string {
  const location = locationOf(settings);
  switch (location) {
    case "global":
      return "https://aiplatform.googleapis.com/v1";
    case "us":
    case "eu":
      return `https://aiplatform.${location}.rep.googleapis.com/v1`;
    default:
      return `https://${location}-aiplatform.googleapis.com/v1`;
  }
}

/**
 * A model of a publisher, such as `/publishers/google/models/gemini-3.8-flash`, or an own one behind an endpoint: `/endpoints/123`.
 * A version stands behind an `@`, which stays as it is.
 */
export function modelPath(publisher: "google" | "anthropic", model: string): string {
  const [, endpoint] = /^endpoints\/([^/]+)$/.exec(model) ?? [];
  return endpoint === undefined ? `/publishers/${publisher}/models/${encodeURIComponent(model).replaceAll("%40", "@")}` : `/endpoints/${encodeURIComponent(endpoint)}`;
}

function locationOf({ location }: VendorSettings): string {
  return location === "" ? "global" : location;
}
