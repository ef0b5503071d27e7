/**
 * Owns the vendor `azure`: OpenAI's models in an Azure resource, where `model` is the name of a deployment. By its v1 API the name stands
 * in the body, by its dated versions in the path (https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle).
 */
import { GatewayError } from "#platform/errors.ts";
import type { Secret } from "#platform/secrets/secret.ts";
import type { VendorAdapter, VendorRequest } from "../../domain/adapter.ts";
import { AccessToken } from "../../domain/credentials/credential-source.ts";
import { openaiVendor, openaiVendorWithResponses } from "./openai-vendor.ts";
import { createOperations } from "./compatible/compatible-operations.ts";
import { createOpenaiCompatible } from "./compatible/compatible.ts";
import { createEmbedAdapter } from "./embeddings.ts";
import { readError } from "./errors.ts";
import { openaiItself, type OpenaiQuirks } from "./compatible/quirks.ts";
import { rateLimitHeaders, readRateLimits } from "./rate-limits.ts";
import { withResponses } from "./responses/both-apis.ts";

const azureItself = {
  vendor: "azure",
  // Every resource has an address of its own: https://NAME.openai.azure.com/openai/v1
  defaultBaseUrl: "",
  forwardedReplyHeaders: ["x-ms-region", ...rateLimitHeaders],
  authorize: (credential: Secret) => (credential instanceof AccessToken ? { authorization: `Bearer ${credential.reveal()}` } : { "api-key": credential.reveal() }),
  upstreamRequestId: (headers: Readonly<Record<string, string>>) => headers["apim-request-id"] ?? headers["x-request-id"] ?? "",
  readRateLimits,
};

export const azureVendor: VendorAdapter = {
  ...openaiVendorWithResponses,
  ...azureItself,
  // A deployment says its tier itself, and not all of them take one with a request.
  generate: withResponses(openaiVendor.generate, "azure"),
  operations: createOperations(["embed", "generateImages", "editImages", "transcribe"], openaiItself, true),
};

/** The vendor by a dated version; without one, by its v1 API. */
export function createAzureVendor({ apiVersion }: { readonly apiVersion: string }): VendorAdapter {
  if (apiVersion === "") return azureVendor;
  const embed = createEmbedAdapter(quirksOf(apiVersion));
  const { native } = embed;
  // Each by its name: another operation would be at another place here.
  const { nativeDialects, needsCredential, onDisconnect, forwardedRequestHeaders, generate } = createOpenaiCompatible({
    vendor: azureItself.vendor,
    baseUrl: azureItself.defaultBaseUrl,
    quirks: quirksOf(apiVersion),
    takesOpenaiBytes: !isEarly(apiVersion),
    operations: [],
  });

  function atDeployment(request: VendorRequest, deployment: string): VendorRequest {
    // Whoever reads paths takes these for steps through them.
    if (deployment === "." || deployment === "..") throw new GatewayError("MODEL_NOT_FOUND", `Azure has no deployment "${deployment}".`, { metadata: { model: deployment } });
    return { ...request, path: `/deployments/${encodeURIComponent(deployment)}${request.path}?api-version=${apiVersion}` };
  }

  return {
    ...azureItself,
    nativeDialects,
    needsCredential,
    onDisconnect,
    forwardedRequestHeaders,
    readError,
    generate: {
      ...generate,
      buildRequest: (generation, model, stream) => atDeployment(generate.buildRequest(generation, model, stream), model),
      buildNativeRequest: (body, model, stream, outputMaximum) => atDeployment(generate.buildNativeRequest(body, model, stream, outputMaximum), model),
    },
    operations: {
      embed: {
        ...embed,
        buildRequest: (request, model) => atDeployment(embed.buildRequest(request, model), model),
        native: { ...native, buildRequest: (body, model) => atDeployment(native.buildRequest(body, model), model) },
      },
    },
  };
}

/** Before the members that came with reasoning: `max_completion_tokens`, the role `developer` and others. */
function isEarly(apiVersion: string): boolean {
  return apiVersion < "2024-12-01";
}

/**
 * Sources: specification/cognitiveservices/data-plane/AzureOpenAI/inference/stable/2024-10-21/inference.json of
 * github.com/Azure/azure-rest-api-specs, the last dated version that is stable; what is OpenAI's own or came after the last dated
 * preview (2025-04-01-preview) none of them has.
 */
function quirksOf(apiVersion: string): OpenaiQuirks {
  const dated: OpenaiQuirks = { ...openaiItself, endUserField: "user", unknownMembers: ["verbosity", "prompt_cache_key", "service_tier"], hasCustomTools: false };
  if (!isEarly(apiVersion)) return dated;
  return { ...dated, outputMaximumField: "max_tokens", unknownMembers: [...dated.unknownMembers, "modalities", "audio", "store", "metadata", "reasoning_effort"], hasDeveloperRole: false };
}
