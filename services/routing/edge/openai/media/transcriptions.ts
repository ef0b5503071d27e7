/** Owns POST /v1/audio/transcriptions and /v1/audio/translations. */
import type { RelayEndpoint } from "../../../domain/dialect.ts";
import { readFormCall } from "./form-call.ts";

export const transcriptionsEndpoint: RelayEndpoint = { operation: "relay", serves: "transcribe", method: "POST", path: "/v1/audio/transcriptions", read: readFormCall };

export const translationsEndpoint: RelayEndpoint = { ...transcriptionsEndpoint, path: "/v1/audio/translations" };
