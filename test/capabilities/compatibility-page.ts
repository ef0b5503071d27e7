/** Owns docs/compatibility.md: the table of what each dialect can do with each vendor, made of what the suite has seen. */
import type { Feature } from "./features.ts";

/** `works`: all of it arrives and returns. `warns`: a part is left out or replaced, and the caller is told which. `rejects`: the request is refused, and the caller is told why. `none`: the dialect has no words for it; or, where a reply is tried, the vendor. */
export type Verdict = "works" | "warns" | "rejects" | "none";

export interface Cell {
  readonly dialect: string;
  readonly vendor: string;
  readonly feature: string;
  readonly verdict: Verdict;
  readonly assertions: number;
}

const marks: Readonly<Record<Verdict, string>> = { works: "works", warns: "warns", rejects: "rejects", none: "·" };

export function compatibilityPage(features: readonly Feature[], cells: readonly Cell[]): string {
  const dialects = [...new Set(cells.map(({ dialect }) => dialect))];
  const tables = dialects.map((dialect) => table(dialect, features, cells.filter((cell) => cell.dialect === dialect)));
  const assertions = cells.reduce((sum, cell) => sum + cell.assertions, 0);
  return `# Compatibility

What callers of each dialect can ask of each vendor, and what comes back. Made by the capability suite (\`npx vitest run test/capabilities\`, \`-u\` writes this page);
never edited by hand. The dialect's official client asks, unary and as a stream; the vendor is played by a server that judges requests as that vendor would: **mock only**.
\`npm run live\` asks the vendors themselves, with the keys in the environment; nobody has published such a run yet.
${assertions} assertions.

Beside each word stands how many assertions are behind it.

- **works**: what was asked arrives at the vendor as it was, and its answer at the caller.
- **warns**: a part is left out or replaced by the nearest; \`x-weir-warnings\` (the RPC's \`warnings\`) names it. With \`strict\` it is an error.
- **rejects**: the request is refused with a reason, because leaving the part out would change what is asked.
- ·: the dialect has no words for it; or, where a reply is tried, the vendor.

${tables.join("\n\n")}
`;
}

function table(dialect: string, features: readonly Feature[], cells: readonly Cell[]): string {
  const vendors = [...new Set(cells.map(({ vendor }) => vendor))];
  const row = (name: string): string => `| ${name} | ${vendors.map((vendor) => text(cells.find((cell) => cell.vendor === vendor && cell.feature === name)!)).join(" | ")} |`;
  return [`## ${dialect}`, "", `| | ${vendors.join(" | ")} |`, `|---|${vendors.map(() => "---|").join("")}`, ...features.map(({ name }) => row(name))].join("\n");
}

function text({ verdict, assertions }: Cell): string {
  return verdict === "none" ? marks.none : `${marks[verdict]} ${assertions}`;
}
