/** Proves what the detectors find and what they leave alone; docs/guardrails.md has the figures (`-u` writes them). */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { detectors } from "../../services/routing/domain/guardrails/detectors/detectors.ts";

interface Case {
  readonly text: string;
  /** As `detector:text`. */
  readonly there: ReadonlySet<string>;
}

/** Of what no form tells for sure. */
const heuristics: Readonly<Record<string, { readonly recall: number; readonly precision: number }>> = { prompt_injection: { recall: 0.8, precision: 0.93 } };

/** A case a line: finds stand in «detector:text», `\n` is the end of a line, `\u{200B}` a character, and ‖ nothing: it keeps what looks like a secret from being taken for one. */
const cases = readFileSync(new URL("corpus.txt", import.meta.url), "utf8").split("\n").filter((line) => line !== "" && !line.startsWith("# ")).map(readCase);

test("the corpus has at least 300 cases, and each detector finds what it says", async () => {
  expect(cases.length).toBeGreaterThanOrEqual(300);
  const page = readFileSync(new URL("../../docs/guardrails.md", import.meta.url), "utf8");
  const measured = page.replaceAll(/^\| `(\w+)` \| (.*?) \| \d+ \| [\d.]+ % \| [\d.]+ % \|$/gm, (_row, name: string, finds: string) => `| \`${name}\` | ${finds} | ${Object.values(figuresOf(name)).join(" | ")} |`);
  for (const name of Object.keys(detectors)) expect(measured).toContain(`| \`${name}\` |`);
  await expect(measured).toMatchFileSnapshot("../../docs/guardrails.md");
});

test("each detector can be named in a rule, and the configuration's page and the console offer it", () => {
  const namesIn = (file: string, list: RegExp, name: RegExp): string[] => [...list.exec(readFileSync(new URL(`../../${file}`, import.meta.url), "utf8"))![1]!.matchAll(name)].map(([, found]) => found!).toSorted();
  const lists = [
    namesIn("proto/weir/policy/v1/guardrail.proto", /repeated string detectors = [^;]*? in: \[([^\]]*)\]/, /"(\w+)"/g),
    namesIn("docs/configuration.md", /^\| `guardrails\.\*\.detectors` \| none \|(.*)\|$/m, /`(\w+)`/g),
    namesIn("services/console/src/guardrail-words.ts", /detectorTitles\b[^{]*\{([^}]*)\}/, /(\w+): "/g),
  ];
  for (const names of lists) expect(names).toEqual(Object.keys(detectors).toSorted());
});

test.each(Object.keys(detectors))("%s finds almost all that is there, and little else", (name) => {
  const { there, found, right, missed, wrong } = countsOf(name);
  const { recall, precision } = heuristics[name] ?? { recall: 0.97, precision: 0.93 };
  expect(right / there, `missed: ${told(missed)}`).toBeGreaterThan(recall);
  expect(right / found, `found, and not marked: ${told(wrong)}`).toBeGreaterThan(precision);
});

function readCase(line: string): Case {
  const there = new Set<string>();
  const text = line.replaceAll("‖", "").replaceAll("\\n", "\n").replaceAll(/\\u\{([0-9A-F]+)\}/g, (_escape, code: string) => String.fromCodePoint(parseInt(code, 16))).replaceAll(/«(\w+):([^»]*)»/g, (_mark, name: string, found: string) => {
    there.add(`${name}:${found}`);
    return found;
  });
  return { text, there };
}

function figuresOf(name: string): { readonly cases: number; readonly recall: string; readonly precision: string } {
  const { there, found, right } = countsOf(name);
  const share = (part: number, whole: number): string => `${Math.round((part / whole) * 1_000) / 10} %`;
  return { cases: there, recall: share(right, there), precision: share(right, found) };
}

interface Counts {
  readonly there: number;
  readonly found: number;
  readonly right: number;
  /** The finds that are marked and not found, and those that are found and not marked, each with its line. */
  readonly missed: readonly string[];
  readonly wrong: readonly string[];
}

/** Over all cases, those of other detectors included. */
function countsOf(name: string): Counts {
  const each = cases.map(({ text, there }) => {
    const marked = [...there].filter((one) => one.startsWith(`${name}:`));
    const found = detectors[name]!.flatMap((detector) => detector.scan(text, 0, true).finds).map(({ start, end }) => `${name}:${text.slice(start, end)}`);
    const inLine = (finds: readonly string[]): string[] => finds.map((one) => `${one} in "${text}"`);
    return { marked, found, missed: inLine(marked.filter((one) => !found.includes(one))), wrong: inLine(found.filter((one) => !there.has(one))) };
  });
  const found = each.flatMap((one) => one.found).length;
  const wrong = each.flatMap((one) => one.wrong);
  return { there: each.flatMap(({ marked }) => marked).length, found, right: found - wrong.length, missed: each.flatMap(({ missed }) => missed), wrong };
}

function told(finds: readonly string[]): string {
  return finds.slice(0, 10).join("\n");
}
