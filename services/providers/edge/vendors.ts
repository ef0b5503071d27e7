/** Owns the list of vendors: to add one, add its folder and a row here. */
import { anthropicVendor } from "./anthropic/anthropic-vendor.ts";
import { geminiVendor } from "./gemini/gemini-vendor.ts";
import { cohereVendor } from "./cohere/cohere-vendor.ts";
import { bedrockVendor } from "./bedrock/bedrock-vendor.ts";
import { mistralVendor } from "./mistral/mistral-vendor.ts";
import { ollamaVendor } from "./ollama/ollama-vendor.ts";
import { openaiVendor, openaiVendorWithResponses } from "./openai/openai-vendor.ts";
import { azureVendor, createAzureVendor } from "./openai/azure.ts";
import { presets, type ApiKeyVariable } from "./openai/compatible/presets.ts";
import { demoVendor, demoVendorName } from "./demo/demo-vendor.ts";
import type { VendorAdapter } from "../domain/adapter.ts";
import type { IdentityName } from "./identities/identities.ts";
import { noSettings, type VendorSettings } from "./vendor-settings.ts";
import { createVertexAnthropicVendor } from "./vertex/vertex-anthropic-vendor.ts";
import { createVertexVendor } from "./vertex/vertex-vendor.ts";

export interface VendorRow {
  readonly adapter: VendorAdapter;
  /** The adapter at the vendor's own address, where it speaks more than the servers that imitate it. */
  readonly adapterAtHome?: VendorAdapter;
  /** The identity that the vendor takes in place of a key. */
  readonly identity?: IdentityName;
  /** For vendors with settings of their own: which they take and which of them they need, and the adapter that they make. */
  readonly own?: {
    readonly takes: readonly (keyof VendorSettings)[];
    readonly needs: readonly (keyof VendorSettings)[];
    createAdapter(settings: VendorSettings): VendorAdapter;
  };
  /** Environment variables by which the vendor's own libraries are set up. */
  readonly environment?: {
    readonly apiKey: string;
    readonly baseUrl: string;
    /** What the variable leaves out at the end, by that library's custom. */
    readonly baseUrlSuffix: string;
  };
}

/** By the word that stands in `vendor` in the configuration. */
export const vendors: Readonly<Record<string, VendorRow>> = {
  openai: { adapter: openaiVendor, adapterAtHome: openaiVendorWithResponses, environment: { apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL", baseUrlSuffix: "" } },
  anthropic: { adapter: anthropicVendor, environment: { apiKey: "ANTHROPIC_API_KEY", baseUrl: "ANTHROPIC_BASE_URL", baseUrlSuffix: "/v1" } },
  azure: { adapter: azureVendor, identity: "entra", own: { takes: ["apiVersion"], needs: [], createAdapter: createAzureVendor } },
  ...Object.fromEntries(presets.map(({ adapter, apiKeyVariable }) => [adapter.vendor, rowOf(adapter, apiKeyVariable)])),
  gemini: { adapter: geminiVendor, environment: { apiKey: "GEMINI_API_KEY", baseUrl: "GOOGLE_GEMINI_BASE_URL", baseUrlSuffix: "/v1beta" } },
  cohere: { adapter: cohereVendor, environment: { apiKey: "CO_API_KEY", baseUrl: "CO_API_URL", baseUrlSuffix: "/v2" } },
  bedrock: { adapter: bedrockVendor, identity: "aws", environment: { apiKey: "AWS_BEARER_TOKEN_BEDROCK", baseUrl: "AWS_ENDPOINT_URL_BEDROCK_RUNTIME", baseUrlSuffix: "" } },
  mistral: { adapter: mistralVendor, environment: { apiKey: "MISTRAL_API_KEY", baseUrl: "MISTRAL_BASE_URL", baseUrlSuffix: "/v1" } },
  ollama: { adapter: ollamaVendor },
  vertex: onVertex(createVertexVendor),
  vertex_anthropic: onVertex(createVertexAnthropicVendor),
  [demoVendorName]: { adapter: demoVendor },
};

function rowOf(adapter: VendorAdapter, apiKeyVariable: ApiKeyVariable | undefined): VendorRow {
  if (apiKeyVariable === undefined) return { adapter };
  return { adapter, environment: { apiKey: apiKeyVariable, baseUrl: apiKeyVariable.replace(/_API_KEY$/, "_BASE_URL"), baseUrlSuffix: "" } };
}

function onVertex(createAdapter: (settings: VendorSettings) => VendorAdapter): VendorRow {
  return { adapter: createAdapter(noSettings), identity: "google", own: { takes: ["project", "location"], needs: ["project"], createAdapter } };
}
