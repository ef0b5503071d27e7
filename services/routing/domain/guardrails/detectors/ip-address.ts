/** Owns finding IP addresses of both versions. */
import { inRuns, matchesOf, type Find } from "./detector.ts";

const version4 = /(?<![\w.:])(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?!\.?\w)/g;
const version6 = /(?<![\w:.])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:\.\d{1,3}){0,3}(?![\w:])/g;

export const ipAddress = inRuns({ label: "IP_ADDRESS", characters: "0-9A-Za-z.:", shortest: 4, longest: 64, find: findAddresses });

function* findAddresses(run: string): Iterable<Find> {
  if (!/\d\.\d|:/.test(run)) return;
  const finds = [...matchesOf(version4, run), ...matchesOf(version6, run, isVersion6)];
  yield* finds.sort((left, right) => left.start - right.start);
}

/** RFC 4291, 2.2. The unspecified address, loopback, and what has a single group (`std::max`) say nothing of anybody. */
function isVersion6(text: string): boolean {
  const [head, tail, ...more] = text.replace(/:(?:\d{1,3}\.){3}\d{1,3}$/, ":0:0").split("::");
  if (more.length > 0 || head!.includes(".") || tail?.includes(".") === true) return false;
  const groups = [head!, tail ?? ""].flatMap((part) => (part === "" ? [] : part.split(":")));
  if (groups.includes("")) return false;
  return tail === undefined ? groups.length === 8 : groups.length >= 2 && groups.length <= 7 && groups.some((group) => /\d/.test(group));
}
