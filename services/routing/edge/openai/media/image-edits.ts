/** Owns POST /v1/images/edits and /v1/images/variations. */
import type { RelayEndpoint } from "../../../domain/dialect.ts";
import { readFormCall } from "./form-call.ts";

export const imageEditsEndpoint: RelayEndpoint = { operation: "relay", serves: "editImages", method: "POST", path: "/v1/images/edits", read: readFormCall };

export const imageVariationsEndpoint: RelayEndpoint = { ...imageEditsEndpoint, path: "/v1/images/variations" };
