/** Owns finding e-mail addresses, internationalized ones too. */
import { inRuns, type Find } from "./detector.ts";

// RFC 5321, 4.5.3.1: 64 octets before the @, 255 behind it.
const longestLocal = 64;
const longestDomain = 255;

export const email = inRuns({ label: "EMAIL", characters: "A-Za-z0-9.!#$%&'*+/=?^_`{|}~@\\u0080-\\uffff-", shortest: 6, longest: longestLocal + longestDomain + 1, find: findAddresses });

function* findAddresses(run: string): Iterable<Find> {
  for (let at = run.indexOf("@"), last = 0; at >= 0; at = run.indexOf("@", at + 1)) {
    const local = localPart.exec(run.slice(Math.max(last, at - longestLocal), at))?.[0];
    const domain = domainPart.exec(run.slice(at + 1, at + 1 + longestDomain))?.[0];
    if (local === undefined || domain === undefined || isFileName(domain)) continue;
    last = at + 1 + domain.length;
    yield { start: at - local.length, end: last };
  }
}

// Each piece is bounded above, and what can follow a dot or a hyphen is no dot or hyphen, so no expression goes back far.
const localPart = /[\p{L}\p{N}_](?:[\p{L}\p{M}\p{N}_%+'&*^~-]|\.(?!\.))*$/u;
const domainPart = /^(?:[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}]|-(?=-*[\p{L}\p{N}]))*\.)+(?:xn--[a-z0-9-]+|\p{L}[\p{L}\p{M}]+)/u;

/** `icon@2x.png` is a picture of double size. */
function isFileName(domain: string): boolean {
  return /\.(?:png|jpe?g|gif|svg|webp|avif|ico|css|js|ts|json|html?|pdf)$/i.test(domain);
}
