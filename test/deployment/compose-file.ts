/** Owns reading docker-compose.yml as the engine would: merged, and with its variables replaced. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

export interface ComposeService {
  readonly image: string;
  readonly build?: { readonly target: string };
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly ports?: readonly string[];
  readonly networks?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly user?: string;
  readonly init?: boolean;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly stop_grace_period?: string;
}

export interface ComposeFile {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<Record<string, { readonly internal?: boolean }>>;
}

/** A file of the checkout that a container sees, or a volume. */
export interface Mount {
  /** A volume's name, or a path that begins with `./`. */
  readonly source: string;
  readonly target: string;
}

export const root = new URL("../../", import.meta.url).pathname;

/** The file as it is written; `variables` undefined leaves `${NAME}` alone. Throws for a variable that has to be there and is not. */
export function readComposeFile(variables?: Readonly<Record<string, string>>): ComposeFile {
  const written: unknown = parse(readFileSync(join(root, "docker-compose.yml"), "utf8"), { merge: true });
  return (variables === undefined ? written : substituted(written, variables)) as ComposeFile;
}

export function mountsOf({ volumes = [] }: ComposeService): readonly Mount[] {
  return volumes.map((volume) => {
    const [source, target] = volume.split(":");
    return { source: source!, target: target! };
  });
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?message}`; an empty variable is as good as none. */
const reference = /\$\{(\w+)(?::([-?])([^}]*))?\}/g;

function substituted(value: unknown, variables: Readonly<Record<string, string>>): unknown {
  if (typeof value === "string") {
    return value.replace(reference, (_, name: string, kind: string | undefined, rest: string | undefined) => {
      const given = variables[name] ?? "";
      if (given === "" && kind === "?") throw new Error(`required variable ${name} is missing a value: ${rest}`);
      return given === "" && kind === "-" ? rest! : given;
    });
  }
  if (Array.isArray(value)) return value.map((item) => substituted(item, variables));
  if (typeof value === "object" && value !== null) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, substituted(item, variables)]));
  return value;
}

/** The names of the variables that the file takes. */
export function variablesOf(file: ComposeFile): ReadonlySet<string> {
  return new Set([...JSON.stringify(file).matchAll(reference)].map(([, name]) => name!));
}
