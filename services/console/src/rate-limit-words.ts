/** Owns the words for what a rate limit says. */

/** What can be counted, as it is called in a rule, and by people. */
export const countTitles: Readonly<Record<string, string>> = {
  requests: "requests",
  tokens: "tokens",
  input_tokens: "input tokens",
  output_tokens: "output tokens",
  spend: "US dollars spent",
  concurrent_requests: "requests at one time",
  concurrent_streams: "streams at one time",
};

/** What can have a counter of its own. */
export const counterTitles: Readonly<Record<string, string>> = {
  organization: "organization",
  team: "team",
  key: "key",
  member: "member",
  model: "model",
  route: "route",
  "labels.end_user": "end user (the label end_user)",
};

export const windows: readonly string[] = ["second", "minute", "hour", "day"];

/** What is counted at one time has no window. */
export function hasWindow(count: string): boolean {
  return !count.startsWith("concurrent_");
}
