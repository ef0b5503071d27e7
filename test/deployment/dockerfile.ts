/** Owns reading the Dockerfile: its stages, and what a container of one of them would be. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./compose-file.ts";

export interface Instruction {
  readonly name: string;
  readonly words: string;
}

export interface Stage {
  readonly name: string;
  /** Another stage, or an image. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Image {
  readonly user: string | undefined;
  readonly stopSignal: string | undefined;
  readonly entrypoint: readonly string[];
  readonly healthCheck: readonly string[] | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
}

export function readStages(): readonly Stage[] {
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const { name, words } of readInstructions()) {
    if (name === "FROM") {
      const [, from, stage] = /^(\S+) AS (\S+)$/.exec(words)!;
      stages.push({ name: stage!, from: from!, instructions: [] });
    } else stages.at(-1)!.instructions.push({ name, words });
  }
  return stages;
}

/** The stage with all that it stands on. */
export function imageOf(target: string, stages: readonly Stage[]): Image {
  const instructions = instructionsOf(target, stages);
  const last = (name: string): string | undefined => instructions.findLast((instruction) => instruction.name === name)?.words;
  const environment = instructions.filter(({ name }) => name === "ENV").flatMap(({ words }) => words.split(" ").map((pair) => pair.split("=") as [string, string]));
  const healthCheck = last("HEALTHCHECK")?.replace(/^.* CMD /, "");
  return {
    user: last("USER"),
    stopSignal: last("STOPSIGNAL"),
    entrypoint: JSON.parse(last("ENTRYPOINT")!) as string[],
    healthCheck: healthCheck === undefined ? undefined : (JSON.parse(healthCheck) as string[]),
    environment: Object.fromEntries(environment),
    volumes: instructions.filter(({ name }) => name === "VOLUME").map(({ words }) => words),
  };
}

function instructionsOf(target: string, stages: readonly Stage[]): readonly Instruction[] {
  const stage = stages.find(({ name }) => name === target);
  return stage === undefined ? [] : [...instructionsOf(stage.from, stages), ...stage.instructions];
}

function readInstructions(): readonly Instruction[] {
  const text = readFileSync(join(root, "Dockerfile"), "utf8").replaceAll(/^#.*\n/gm, "").replaceAll("\\\n", " ");
  return text.split("\n").filter((line) => line.trim() !== "").map((line) => {
    const [, name, words] = /^([A-Z]+) +(.*)$/.exec(line)!;
    return { name: name!, words: words! };
  });
}
