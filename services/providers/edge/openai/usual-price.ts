/** Owns that OpenAI answers a request at the usual price: where none is named, the project's settings say by which service tier. */
import { parseJsonObject, spliceJson } from "#platform/formats/json.ts";
import type { VendorRequest } from "../../domain/adapter.ts";

/** Names the tier `default` where the request leaves it to the project; Chat Completions and Responses have it in the same place. */
export function atUsualPrice(request: VendorRequest): VendorRequest {
  return isLeftToProject(request.body) ? { ...request, body: spliceJson(request.body, { service_tier: "default" }) } : request;
}

/** Most bodies have no such member, and then need no parsing. */
function isLeftToProject(body: Uint8Array): boolean {
  const source = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!source.includes("service_tier") && !source.includes("\\u")) return true;
  const { service_tier: tier } = parseJsonObject(body);
  return tier === undefined || tier === null || tier === "auto";
}
