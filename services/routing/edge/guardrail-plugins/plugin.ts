/** Owns what a guardrail plug-in is to Weir, whatever it speaks, and how it is configured. */
import type { Secret } from "#platform/secrets/secret.ts";
import type { CheckRequest, CheckResponse } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";

export interface PluginSettings {
  readonly url: string;
  /** PEM files; empty where there is none. */
  readonly tls: { readonly authorityFile: string; readonly certificateFile: string; readonly keyFile: string };
  /** Of a webhook. */
  readonly secrets: readonly Secret[];
  readonly maximumCalls: number;
  readonly maximumMessageBytes: number;
}

export interface Plugin {
  /** Rejects with DEPENDENCY_UNAVAILABLE, without a word of the plug-in's own: it may quote the texts. */
  check(request: CheckRequest, signal: AbortSignal): Promise<CheckResponse>;
  close(): void;
}

/** The longest answer in bytes, of whatever plug-in. */
export const maximumAnswerBytes = 16 * 1024 * 1024;
