/** Owns the reading of docs/agents.md: what it tells a newcomer to type. */
import { readFileSync } from "node:fs";

const page = readFileSync(new URL("../../docs/agents.md", import.meta.url), "utf8");

export interface DocumentedAgent {
  readonly name: string;
  /** The blocks of shell that set it up. */
  readonly blocks: readonly string[];
}

/** The agents that the page has a section for. */
export const documentedAgents: readonly DocumentedAgent[] = sections("### ", section("## ", "Coding agents")).map(({ title, text }) => ({ name: title, blocks: blocksOf(text, "sh") }));

/** The rows of the page's table of agents. */
export const tabledAgents: readonly { readonly name: string; readonly package: string; readonly version: string }[] = [
  ...page.matchAll(/^\| \[(?<name>[^\]]+)\]\([^)]+\) \| `(?<package>[^`]+)` \| (?<version>\S+) \|/gm),
].map(({ groups }) => groups as { name: string; package: string; version: string });

/** The one block in this language below this heading. */
export function documentedBlock(heading: string, language: string): string {
  const [block, ...others] = blocksOf(section("## ", heading), language);
  if (block === undefined || others.length > 0) throw new Error(`docs/agents.md has not one block of ${language} below "${heading}".`);
  return block;
}

function section(mark: string, title: string): string {
  const found = sections(mark, page).find((one) => one.title === title);
  if (found === undefined) throw new Error(`docs/agents.md has no section "${title}".`);
  return found.text;
}

function sections(mark: string, text: string): readonly { readonly title: string; readonly text: string }[] {
  const [, ...parts] = `\n${text}`.split(`\n${mark}`);
  return parts.map((part) => ({ title: part.slice(0, part.indexOf("\n")), text: part.slice(part.indexOf("\n")) }));
}

function blocksOf(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(([, block]) => block!);
}
