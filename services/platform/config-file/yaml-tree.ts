/** Owns YAML as text: the tree of a document, its bounds, and where in the file each node stands. */
import { type Alias, isAlias, LineCounter, type Node, parseDocument, visit, type YAMLError } from "yaml";
import type { ConfigProblem } from "./config-file-error.ts";

export interface YamlTree {
  /** The value of the whole file; undefined when it is empty. */
  readonly root: Node | undefined;
  /** The node that an alias stands for; any other node is itself. */
  resolve(node: Node): Node;
  /** Where a node begins. */
  positionOf(node: Node | undefined): { readonly line: number; readonly column: number };
  /** What makes the text no YAML; the tree must not be read then. */
  readonly problems: readonly ConfigProblem[];
}

// One fault makes the parser stumble over what follows.
const maximumFaults = 10;

/** Reads YAML 1.2 with its core schema: no merge keys, no other tags, keys are text, whole numbers are bigint. */
export function readYaml(text: string): YamlTree {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, {
    lineCounter,
    intAsBigInt: true,
    stringKeys: true,
    // Its search for repeated keys takes quadratic time; whoever reads the tree looks for them.
    uniqueKeys: false,
    // Pretty errors quote the file, and with it secrets.
    prettyErrors: false,
  });
  const positionAt = (offset: number): { line: number; column: number } => {
    const { line, col } = lineCounter.linePos(offset);
    return { line, column: col };
  };
  const bare = [...document.errors].filter(({ pos }) => isBareVariable(text, pos[0]));
  const faults = (bare.length > 0 ? bare.slice(0, 1) : [...document.errors, ...document.warnings].slice(0, maximumFaults)).map((error) => ({
    offset: error.pos[0],
    message: bare.length > 0 ? bareVariableAdvice : describe(error),
  }));
  const { targets, dangling } = faults.length === 0 ? resolveAliases(document.contents) : { targets: new Map<Alias, Node>(), dangling: [] };
  for (const alias of dangling) faults.push({ offset: alias.range?.[0] ?? 0, message: "an alias needs an anchor of its name before it" });
  return {
    root: document.contents ?? undefined,
    resolve: (node) => (isAlias(node) ? (targets.get(node) ?? node) : node),
    positionOf: (node) => positionAt(node?.range?.[0] ?? 0),
    problems: faults.map(({ offset, message }) => ({ ...positionAt(offset), field: "", message: `is not valid YAML: ${message}` })),
  };
}

const bareVariableAdvice = 'put "${NAME}" in quotes: between { and }, YAML reads a bare ${ as the start of a map';

/** Whether the fault is on a line with `${` that no quote stands before. */
function isBareVariable(text: string, offset: number): boolean {
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  const lineEnd = text.indexOf("\n", lineStart);
  return /[:,[]\s*\$\{/.test(text.slice(lineStart, lineEnd < 0 ? undefined : lineEnd));
}

/** What the parser says, except where it would quote the file, and with it perhaps a secret. */
function describe({ code, message }: YAMLError): string {
  switch (code) {
    case "UNEXPECTED_TOKEN":
      return lowerFirst(message.replace(/:.*/su, ""));
    case "TAG_RESOLVE_FAILED":
    case "BAD_COLLECTION_TYPE":
      return "tags are not supported; put text that begins with ! in quotes";
    case "BAD_DIRECTIVE":
      return "a line that begins with % is not supported";
    case "BAD_DQ_ESCAPE":
      return "unknown escape in double quotes; write a backslash as \\\\ or use single quotes";
    case "MULTIPLE_DOCS":
      return "the file must hold one document";
    case "NON_STRING_KEY":
      return "a key must be text";
    case "RESOURCE_EXHAUSTION":
      return "it is nested too deeply";
    default:
      return lowerFirst(message);
  }
}

function lowerFirst(text: string): string {
  return text.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase());
}

/** An alias means the last node before it with that anchor; one walk finds them all, the parser's own way takes one walk for each. */
function resolveAliases(root: Node | null): { targets: Map<Alias, Node>; dangling: Alias[] } {
  const anchors = new Map<string, Node>();
  const targets = new Map<Alias, Node>();
  const dangling: Alias[] = [];
  visit(root, {
    Value: (_, node) => {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
    Alias: (_, alias) => {
      const target = anchors.get(alias.source);
      if (target === undefined) dangling.push(alias);
      else targets.set(alias, target);
    },
  });
  return { targets, dangling };
}
