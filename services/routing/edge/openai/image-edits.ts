/** Owns POST /v1/images/edits and /v1/images/variations. */
import type { RelayCall, RelayEndpoint } from "../../domain/dialect.ts";
import { GatewayError } from "#platform/errors.ts";
import { readFormCall } from "./form-call.ts";

export const imageEditsEndpoint: RelayEndpoint = { operation: "relay", serves: "editImages", method: "POST", path: "/v1/images/edits", read };

export const imageVariationsEndpoint: RelayEndpoint = { ...imageEditsEndpoint, path: "/v1/images/variations" };

async function read(body: Buffer, contentType: string): Promise<RelayCall> {
  const call = await readFormCall(body, contentType);
  if (call.stream) throw new GatewayError("UNSUPPORTED_FIELD", "stream must be false: Weir returns images whole.", { metadata: { field: "stream" } });
  return call;
}
