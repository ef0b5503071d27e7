/** Owns where a project's models are on Vertex AI, and what of a vendor is the same there. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import type { VendorSettings } from "../vendor-settings.ts";

/** What a vendor keeps on Vertex AI, each by its name: another operation of it would be at another place here. */
export function keptOnVertex(vendor: VendorAdapter, settings: VendorSettings): Omit<VendorAdapter, "vendor" | "generate" | "operations"> {
  const { nativeDialects, needsCredential, onDisconnect, forwardedRequestHeaders, forwardedReplyHeaders } = vendor;
  return {
    nativeDialects,
    defaultBaseUrl: baseUrlOf(settings),
    needsCredential,
    onDisconnect,
    forwardedRequestHeaders,
    forwardedReplyHeaders,
    authorize: (credential) => ({ authorization: `Bearer ${credential.reveal()}` }),
    upstreamRequestId: (headers) => vendor.upstreamRequestId(headers),
    readError: (reply) => vendor.readError(reply),
  };
}

/** The path of a project's place, below the API's version. */
export function placePath(settings: VendorSettings): string {
  return `/projects/${settings.project}/locations/${locationOf(settings)}`;
}

/** Sources: the constructors of AnthropicVertex (packages/vertex-sdk of anthropic-sdk-typescript) and of ApiClient in @google/genai. */
function baseUrlOf(settings: VendorSettings): string {
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
