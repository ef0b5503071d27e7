/** Owns files in the account at the vendor: their upload as a form, their listing, their content and their end. Keeping them costs nothing. */
import { noUsage } from "../../domain/usage/estimate-usage.ts";
import { freeSummary } from "../../domain/usage/free-operation.ts";
import type { RelayForm } from "../../domain/reply/relay-form.ts";

const common = { dialect: "openai", operation: "files", summarizeReply: () => freeSummary(), estimateUsage: noUsage } as const;

export const fileRelays: readonly RelayForm[] = [
  { ...common, method: "POST", endpoint: "/files" },
  { ...common, method: "GET", endpoint: "/files" },
  { ...common, method: "GET", endpoint: "/files/{id}" },
  { ...common, method: "DELETE", endpoint: "/files/{id}" },
  { ...common, method: "GET", endpoint: "/files/{id}/content", repliesInBytes: true },
];
