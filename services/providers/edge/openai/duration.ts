/** Owns durations as OpenAI's headers write them, such as `12ms` or `6m0s` (https://developers.openai.com/api/docs/guides/rate-limits). */

/** Milliseconds; a bare number is seconds. Undefined when the text is no duration. */
export function durationMs(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(h|ms|m|s))+$/.test(text)) return undefined;
  let sum = 0;
  for (const [, amount, , unit] of text.matchAll(/(\d+(\.\d+)?)(h|ms|m|s)/g)) sum += Number(amount) * unitMs[unit as keyof typeof unitMs];
  return sum;
}

const unitMs = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 };
