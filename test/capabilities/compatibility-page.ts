/** Owns docs/compatibility.md: the tables of what each dialect and each client can do with each vendor, made of what the suite has seen. */
import type { Caller } from "./exchange.ts";
import type { Feature } from "./features.ts";

/** `works`: all of it arrives and returns. `warns`: a part is left out or replaced, and the caller is told which. `rejects`: the request is refused, and the caller is told why. `none`: the client has no words for it; or, where a reply is tried, the vendor. */
export type Verdict = "works" | "warns" | "rejects" | "none";

export interface Cell {
  readonly client: Pick<Caller, "dialect" | "like">;
  readonly vendor: string;
  readonly feature: string;
  readonly verdict: Verdict;
  readonly assertions: number;
}

const marks: Readonly<Record<Verdict, string>> = { works: "works", warns: "warns", rejects: "rejects", none: "·" };

export function compatibilityPage(features: readonly Feature[], cells: readonly Cell[]): string {
  const own = Map.groupBy(cells.filter(({ client }) => client.like === undefined), ({ client }) => client.dialect);
  const others = cells.filter(({ client }) => client.like !== undefined);
  return `# Compatibility

What callers of each dialect can ask of each vendor, and what comes back. Made by the capability suite (\`npx vitest run test/capabilities\`, \`-u\` writes this page);
never edited by hand. The dialect's official client asks, unary and as a stream; the vendor is played by a server that judges requests as that vendor would: **mock only**.
At \`openai\` a model answers that does not reason, by Chat Completions; at \`azure\` one that does, by [Responses](http-api.md#what-is-kept-and-what-is-lost).
\`npm run live\` asks the vendors themselves, with the keys in the environment; nobody has published such a run yet.
${sumOf(cells)} assertions.

Beside each word stands how many assertions are behind it.

- **works**: what was asked arrives at the vendor as it was, and its answer at the caller.
- **warns**: a part is left out or replaced by the nearest; \`x-weir-warnings\` (the RPC's \`warnings\`) names it. With \`strict\` it is an error.
- **rejects**: the request is refused with a reason, because leaving the part out would change what is asked.
- ·: the dialect has no words for it; or, where a reply is tried, the vendor.

${[...own].map(([dialect, seen]) => dialectTable(dialect, features, seen)).join("\n\n")}

## Other clients

Clients that speak a dialect which is not their own, with every vendor of the tables above.

- **same**: with each vendor as in its dialect's table. Else the vendors stand here with which it is otherwise,
  as where the client adds a document's name or asks to see the reasoning, and that is what the warning is about.
- ·: the client has no words for it, or does not show it.

${othersTable(features, others, own)}
`;
}

function dialectTable(dialect: string, features: readonly Feature[], cells: readonly Cell[]): string {
  const vendors = [...new Set(cells.map(({ vendor }) => vendor))];
  const row = (name: string): string => `| ${name} | ${vendors.map((vendor) => text(cells.find((cell) => cell.vendor === vendor && cell.feature === name)!)).join(" | ")} |`;
  return [`## ${dialect}`, "", ...headOf(vendors), ...features.map(({ name }) => row(name))].join("\n");
}

function text({ verdict, assertions }: Cell): string {
  return verdict === "none" ? marks.none : `${marks[verdict]} ${assertions}`;
}

/** The other clients beside each other: Weir cannot tell them from the dialect's own, so that what differs is what they say. */
function othersTable(features: readonly Feature[], cells: readonly Cell[], own: ReadonlyMap<string, readonly Cell[]>): string {
  const clients = Map.groupBy(cells, ({ client }) => client);
  const row = (name: string): string => {
    const columns = [...clients].map(([{ like }, seen]) => compare(seen.filter(({ feature }) => feature === name), own.get(like!)!.filter(({ feature }) => feature === name)));
    return `| ${name} | ${columns.join(" | ")} |`;
  };
  return [...headOf([...clients.keys()].map(({ dialect }) => dialect)), ...features.map(({ name }) => row(name))].join("\n");
}

function compare(cells: readonly Cell[], own: readonly Cell[]): string {
  if (cells.every(({ verdict }) => verdict === "none")) return marks.none;
  const different = cells.filter(({ vendor, verdict }) => own.find((cell) => cell.vendor === vendor)!.verdict !== verdict);
  return `${different.length === 0 ? "same" : different.map(({ vendor, verdict }) => `${vendor} ${marks[verdict]}`).join(", ")} ${sumOf(cells)}`;
}

function headOf(columns: readonly string[]): string[] {
  return [`| | ${columns.join(" | ")} |`, `|---|${columns.map(() => "---|").join("")}`];
}

function sumOf(cells: readonly Cell[]): number {
  return cells.reduce((sum, { assertions }) => sum + assertions, 0);
}
