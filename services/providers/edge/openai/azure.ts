/**
 * Owns the vendor `azure`: OpenAI's models in an Azure resource, by its v1 API, where `model` is the name of a deployment
 * (https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).
 */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { openaiVendor, openaiVendorWithResponses } from "./adapter.ts";
import { rateLimitHeaders } from "./rate-limits.ts";

export const azureVendor: VendorAdapter = {
  ...openaiVendorWithResponses,
  vendor: "azure",
  operations: { embed: openaiVendor.operations.embed! },
  // Every resource has an address of its own: https://NAME.openai.azure.com/openai/v1
  defaultBaseUrl: "",
  forwardedReplyHeaders: ["x-ms-region", ...rateLimitHeaders],
  authorize: (credential) => ({ "api-key": credential.reveal() }),
  upstreamRequestId: (headers) => headers["apim-request-id"] ?? headers["x-request-id"] ?? "",
};
