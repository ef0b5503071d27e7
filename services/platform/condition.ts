/** Owns conditions that people write in CEL over what is known of a call: read and checked once, then asked at every call. */
import { isCelError, parse, plan, celEnv, celFunc, CelScalar, celUint, type CelResult } from "@bufbuild/cel";
import { GatewayError } from "./errors.ts";

/** What a condition may ask of a call; what is not known is empty. */
export interface CallFacts {
  readonly organization: string;
  readonly team: string;
  readonly key: string;
  readonly member: string;
  /** As the caller named it. */
  readonly model: string;
  /** The route's name, where the model is one. */
  readonly route: string;
  /** As a method of weir.inference.v1.InferenceService, such as `Generate`. */
  readonly operation: string;
  readonly labels: Readonly<Record<string, string>>;
}

export type Condition<Facts extends CallFacts = CallFacts> = (facts: Facts) => boolean;

/** What conditions of one kind may ask, and what becomes of one that cannot be decided. */
export interface ConditionKind<Facts extends CallFacts> {
  /** Of a call of which nothing is known: text, truth values, and whole numbers as bigint. */
  readonly noFacts: Facts;
  /** Whether it holds where it cannot be decided, such as `int(labels.tier) > 3` of what is no number. */
  readonly holdsUndecided: boolean;
  /** The page that has examples. */
  readonly page: string;
}

type Expr = ReturnType<typeof parse>["expr"];

export const noCallFacts: CallFacts = { organization: "", team: "", key: "", member: "", model: "", route: "", operation: "", labels: {} };

/** One that cannot be decided holds, so that no caller escapes a limit by what they send. */
export const limitConditions: ConditionKind<CallFacts> = { noFacts: noCallFacts, holdsUndecided: true, page: "docs/rate-limits.md" };

const { STRING, INT, UINT, DOUBLE } = CelScalar;

// The library reads empty text as 0 and other text as no number that compares: a label left out would escape a limit.
const environment = celEnv({
  funcs: [
    celFunc("int", [STRING], INT, (text) => wholeNumber(text, (number) => BigInt.asIntN(64, number))),
    celFunc("uint", [STRING], UINT, (text) => celUint(wholeNumber(text, (number) => BigInt.asUintN(64, number)))),
    celFunc("double", [STRING], DOUBLE, (text) => {
      if (/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text)) return Number(text);
      throw new Error("the text is no number");
    }),
  ],
});

/** Throws for text that is none, or none that there is room for. */
function wholeNumber(text: string, inRoom: (number: bigint) => bigint): bigint {
  const number = /^[+-]?\d{1,20}$/.test(text) ? BigInt(text.replace("+", "")) : undefined;
  if (number === undefined || inRoom(number) !== number) throw new Error("the text is no whole number of 64 bits");
  return number;
}

/**
 * The condition of this text; empty text holds of every call. A label that a call does not have is empty text. Of the facts only those are read
 * that it asks for.
 * Throws INVALID_REQUEST when the text is no condition, names what there is not, or compares what cannot be compared.
 */
export function readCondition<Facts extends CallFacts>(text: string, kind: ConditionKind<Facts>): Condition<Facts> {
  if (text === "") return () => true;
  const { noFacts, holdsUndecided } = kind;
  const expr = parsed(text, kind);
  refuseNested(text, expr, kind);
  const labelNames = [...subexpressions(expr)].map(labelNameOf).filter((name) => name !== undefined);
  checkEachPart(text, expr, labelNames, kind);
  const evaluate = plan(environment, expr);
  const decide = (facts: Facts): CelResult => evaluate(bindingsOf(facts, labelNames));
  const sample = decide(noFacts);
  if (!isCelError(sample) && typeof sample !== "boolean") throw invalid(text, "it is neither true nor false", kind);
  return holdsUndecided ? (facts) => decide(facts) !== false : (facts) => decide(facts) === true;
}

type AnyKind = ConditionKind<CallFacts>;

function parsed(text: string, kind: AnyKind): Expr {
  try {
    return parse(text).expr;
  } catch (error) {
    throw invalid(text, error instanceof Error ? error.message : "it cannot be read", kind);
  }
}

// Each turn of one would take all turns of the other: a short text could keep a processor busy for ever.
function refuseNested(text: string, expr: Expr, kind: AnyKind): void {
  for (const { exprKind } of subexpressions(expr)) {
    if (exprKind.case !== "comprehensionExpr") continue;
    const { iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
    for (const inner of [iterRange, accuInit, loopCondition, loopStep, result]) {
      if (inner !== undefined && [...subexpressions(inner)].some(goesThroughList)) throw invalid(text, "it goes through a list within a list", kind);
    }
  }
}

/** `exists`, `all`, `map` and their like. */
function goesThroughList({ exprKind }: Expr): boolean {
  return exprKind.case === "comprehensionExpr";
}

// What stands behind `&&` is not evaluated at every call, and a mistake there would show late.
function checkEachPart(text: string, expr: Expr, labelNames: readonly string[], kind: AnyKind): void {
  const { noFacts } = kind;
  for (const part of subexpressions(expr)) {
    const result = plan(environment, part)(bindingsOf(noFacts, labelNames));
    if (isCelError(result) && isMistake(result)) throw invalid(text, `${result.message}. It may ask for ${Object.keys(noFacts).join(", ")}`, kind);
  }
}

/** Wrong whatever the call is, as against what is wrong of some. */
function isMistake({ message }: Error): boolean {
  return /unbound function|unresolved attribute|no matching overload|type mismatch/.test(message);
}

function* subexpressions(expr: Expr): Generator<Expr> {
  yield expr;
  for (const child of childrenOf(expr)) yield* subexpressions(child);
}

function childrenOf({ exprKind }: Expr): readonly Expr[] {
  switch (exprKind.case) {
    case "callExpr":
      return [exprKind.value.target, ...exprKind.value.args].filter((child) => child !== undefined);
    case "selectExpr":
      return exprKind.value.operand === undefined ? [] : [exprKind.value.operand];
    case "listExpr":
      return exprKind.value.elements;
    case "structExpr":
      return exprKind.value.entries.flatMap(({ keyKind, value }) => [keyKind.case === "mapKey" ? keyKind.value : undefined, value]).filter((child) => child !== undefined);
    case "comprehensionExpr":
      // What is said of each element has variables of its own, and can be evaluated with them alone.
      return exprKind.value.iterRange === undefined ? [] : [exprKind.value.iterRange];
    default:
      return [];
  }
}

/** Of `labels.name` or `labels["name"]`. */
function labelNameOf({ exprKind }: Expr): string | undefined {
  if (exprKind.case === "selectExpr" && isLabels(exprKind.value.operand)) return exprKind.value.field;
  if (exprKind.case !== "callExpr" || exprKind.value.function !== "_[_]" || !isLabels(exprKind.value.args[0])) return undefined;
  const name = exprKind.value.args[1]?.exprKind;
  return name?.case === "constExpr" && name.value.constantKind.case === "stringValue" ? name.value.constantKind.value : undefined;
}

function isLabels(expr: Expr | undefined): boolean {
  return expr?.exprKind.case === "identExpr" && expr.exprKind.value.name === "labels";
}

/** The facts themselves but for their labels: what is not asked for is not read. */
function bindingsOf(facts: CallFacts, labelNames: readonly string[]): Record<string, string | Map<string, string>> {
  const known = new Map(Object.entries(facts.labels));
  for (const name of labelNames) if (!known.has(name)) known.set(name, "");
  return Object.create(facts, { labels: { value: known } }) as Record<string, string | Map<string, string>>;
}

function invalid(text: string, why: string, { page }: AnyKind): GatewayError {
  const description = `The condition \`${text.slice(0, 200)}\` cannot be used: ${why}. ${page} has examples.`;
  return new GatewayError("INVALID_REQUEST", description, { fieldViolations: [{ field: "where", description }] });
}
