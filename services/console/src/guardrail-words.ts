/** Owns the words for what a guardrail says. */
import type { GuardrailRule } from "#gen/weir/policy/v1/guardrail_pb.ts";

/** What can be looked for, as it is called in a rule, and by people. */
export const detectorTitles: Readonly<Record<string, string>> = {
  secret: "secrets and keys",
  email: "email addresses",
  phone: "phone numbers",
  card: "payment cards",
  iban: "bank accounts (IBAN)",
  national_id: "national ids",
  ip_address: "IP addresses",
  prompt_injection: "attempts to take over the model",
};

/** What can happen to texts in which something is found. */
export const modeTitles: Readonly<Record<string, string>> = {
  block: "the call is refused",
  mask: "it is masked",
  annotate: "the caller is told",
  shadow: "it is counted",
};

const judges: Readonly<Record<string, string>> = { plugin: "what a plug-in judges", moderation: "what a moderation model judges", judge: "what a model judges" };

export function soughtBy(rule: GuardrailRule): string {
  const { detectors, patterns, words, topics } = rule;
  const sought = [
    ...detectors.map((detector) => detector.replaceAll("_", " ")),
    numbered(patterns.length, "pattern"),
    numbered(words.length, "word"),
    numbered(topics.length, "topic"),
    judges[rule.check.case ?? ""] ?? "",
    rule.caps === undefined ? "" : "parameters above caps",
    rule.replySchema === undefined ? "" : "replies that do not fit a schema",
  ];
  return sought.filter((word) => word !== "").join(", ") || "every call";
}

function numbered(size: number, word: string): string {
  return size === 0 ? "" : `${size} ${word}${size === 1 ? "" : "s"}`;
}
