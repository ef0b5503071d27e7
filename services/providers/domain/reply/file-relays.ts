/** Owns files in the account at a vendor, in the form that OpenAI's and Anthropic's dialects share: their upload, their listing, their content and their end. Keeping them costs nothing. */
import { noUsage } from "../usage/estimate-usage.ts";
import { freeSummary } from "../usage/free-operation.ts";
import type { RelayForm } from "./relay-form.ts";

export function fileRelays(dialect: string): readonly RelayForm[] {
  const common = { dialect, operation: "files", summarizeReply: () => freeSummary(), estimateUsage: noUsage } as const;
  return [
    { ...common, method: "POST", endpoint: "/files" },
    { ...common, method: "GET", endpoint: "/files" },
    { ...common, method: "GET", endpoint: "/files/{id}" },
    { ...common, method: "DELETE", endpoint: "/files/{id}" },
    { ...common, method: "GET", endpoint: "/files/{id}/content", repliesInBytes: true },
  ];
}
