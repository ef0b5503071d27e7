/** Owns the demo vendor: OpenAI's API, answered by Weir itself, so that a first call needs no account. */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { openaiVendor } from "../openai/openai-vendor.ts";

export const demoVendorName = "demo";

export const demoVendor: VendorAdapter = {
  ...openaiVendor,
  vendor: demoVendorName,
  // The server takes a free port when it starts.
  defaultBaseUrl: "http://127.0.0.1/v1",
  needsCredential: false,
  operations: { embed: openaiVendor.operations.embed! },
  speech: undefined,
  relays: [],
};
