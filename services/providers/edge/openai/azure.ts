/**
 * Owns the vendor `azure`: OpenAI's models in an Azure resource, by its v1 API, where `model` is the name of a deployment
 * (https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).
 */
import type { VendorAdapter } from "../../domain/adapter.ts";
import { createOpenaiCompatible, rateLimitHeaders } from "./compatible.ts";
import { openaiItself } from "./quirks.ts";

export const azureVendor: VendorAdapter = {
  ...createOpenaiCompatible({
    vendor: "azure",
    // Every resource has an address of its own: https://NAME.openai.azure.com/openai/v1
    baseUrl: "",
    quirks: openaiItself,
    takesOpenaiBytes: true,
    hasEmbeddings: true,
    requestIdHeaders: ["apim-request-id", "x-request-id"],
    forwardedReplyHeaders: ["x-ms-region", ...rateLimitHeaders],
  }),
  authorize: (credential) => ({ "api-key": credential.reveal() }),
};
