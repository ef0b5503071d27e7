/** Owns the way from a configuration file to a checked message: read, YAML, `${NAME}`, protojson, protovalidate. */
import { createReadStream } from "node:fs";
import { type DescMessage, fromJson, type MessageShape } from "@bufbuild/protobuf";
import type { Path } from "@bufbuild/protobuf/reflect";
import type { Violation } from "@bufbuild/protovalidate";
import { isEmpty, ruleWords } from "../rpc/rule-words.ts";
import { validator } from "../rpc/validation.ts";
import { ConfigFileError, type ConfigProblem } from "./config-file-error.ts";
import { isWithin, pathOf } from "./field-path.ts";
import { type FieldsReading, readFields } from "./read-fields.ts";
import type { Environment } from "./substitute.ts";
import { readYaml } from "./yaml-tree.ts";

export interface ConfigFileOptions<Schema extends DescMessage> {
  readonly path: string;
  /** Where `${NAME}` in the file's text values is looked up. */
  readonly environment: Environment;
  /** Parts that nobody reads here, such as `providers`: a variable need not be set for them. Where it is not, text stays as it is written, and no rule is held against it. */
  readonly unread?: readonly string[];
  /** The message that the file holds. */
  readonly schema: Schema;
  /** What is wrong with a file that the schema has nothing against; default nothing. Of what is not below a part of the file nothing is taken. */
  readonly faultsOf?: (message: MessageShape<Schema>) => readonly { readonly field: string; readonly description: string }[];
}

const maximumFileBytes = 1024 * 1024;

/** The file's content; an empty file is an empty message. Throws ConfigFileError with everything that is wrong with it. */
export async function loadConfigFile<Schema extends DescMessage>(options: ConfigFileOptions<Schema>): Promise<MessageShape<Schema>> {
  const { path, environment, unread = [], schema, faultsOf } = options;
  const tree = readYaml(await readText(path));
  if (tree.problems.length > 0) throw new ConfigFileError(path, tree.problems);
  const reading = readFields(tree, schema, { environment, mayLack: (field) => unread.some((part) => isWithin(field, part)) });
  const message = fromJson(schema, reading.json);
  const problems = [...reading.problems, ...brokenRules(schema, message, reading)];
  if (problems.length === 0) problems.push(...(faultsOf?.(message) ?? []).flatMap(({ field, description }) => problemAt(field, description, reading)));
  if (problems.length > 0) throw new ConfigFileError(path, problems.toSorted((left, right) => left.line - right.line || left.column - right.column));
  return message;
}

async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    // One byte more than allowed tells a file that is too large, also where a size is not known before (a pipe).
    for await (const chunk of createReadStream(path, { end: maximumFileBytes })) chunks.push(chunk as Buffer);
  } catch (error) {
    throw new ConfigFileError(path, [wholeFile(`cannot be read: ${describeSystemError(error)}`)], error);
  }
  const bytes = Buffer.concat(chunks);
  if (bytes.length > maximumFileBytes) throw new ConfigFileError(path, [wholeFile(`is larger than ${maximumFileBytes} bytes`)]);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigFileError(path, [wholeFile("is not text in UTF-8")]);
  }
}

function describeSystemError(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "this user may not read it";
  if (code === "EISDIR") return "it is a folder";
  return typeof code === "string" ? code : "the system gave no reason";
}

function wholeFile(message: string): ConfigProblem {
  return { line: 0, column: 0, field: "", message };
}

/** What breaks the schema's rules, except where a fault is known already or a variable is not set: there the message does not hold what the file says. */
function brokenRules<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>, reading: FieldsReading): ConfigProblem[] {
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  const unknown = [...reading.problems.map(({ field }) => field), ...reading.unset];
  return (result.violations ?? [])
    .map((violation) => ({ violation, field: pathOf(violation.field) }))
    .filter(({ field }) => !unknown.some((place) => isWithin(field, place) || isWithin(place, field)))
    .map(({ violation, field }) => ({
      ...nearestPosition(violation.field, reading),
      field,
      message: describeBroken(violation, reading.positions.has(field)),
    }));
}

function describeBroken({ message, forKey }: Violation, isThere: boolean): string {
  const words = `${forKey ? "the name " : ""}${ruleWords(message)}`;
  if (isThere) return words;
  return words === isEmpty ? "is missing" : `is missing: ${words}`;
}

function problemAt(field: string, message: string, { positions }: FieldsReading): ConfigProblem[] {
  const place = enclosing(field).find((path) => positions.has(path));
  return place === undefined ? [] : [{ ...positions.get(place)!, field, message }];
}

/** The field, and the places around it, from the inside out. */
function enclosing(field: string): string[] {
  const inner = field.slice(0, Math.max(field.lastIndexOf("."), field.lastIndexOf("["), 0));
  return inner === "" ? [field] : [field, ...enclosing(inner)];
}

/** Where the field stands or, when it is not in the file, the section that lacks it. */
function nearestPosition(path: Path, { positions }: FieldsReading): { line: number; column: number } {
  const known = path.map((_, index) => positions.get(pathOf(path.slice(0, path.length - index)))).find((position) => position !== undefined);
  return known ?? { line: 1, column: 1 };
}
