/** Owns rules in the form in which calls are looked at: detectors made once, and each with the rules that want it. */
import type { GenerationCaps, GuardrailRule, Instruction, ReplySchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Detector } from "./detectors/detector.ts";
import { detectors } from "./detectors/detectors.ts";
import { outsideCheckOf, type OutsideCheck } from "./outside/outside-check.ts";
import { patternDetector } from "./detectors/pattern.ts";
import { compiledTopic, type CompiledTopic } from "./detectors/topics.ts";
import { wordsDetector } from "./detectors/words.ts";

export type Side = "input" | "output";
export type Mode = "block" | "mask" | "annotate" | "shadow" | "restrict" | "clamp" | "instruct";

export interface CompiledRule {
  readonly name: string;
  readonly mode: Mode;
  readonly restore: boolean;
  readonly sides: readonly Side[];
  /** Empty for all. */
  readonly models: readonly string[];
  readonly detectors: readonly NamedDetector[];
  /** Absent where nobody else judges. */
  readonly check?: OutsideCheck | undefined;
  readonly topics: readonly CompiledTopic[];
  /** Of which a target needs one, with `restrict`. */
  readonly targetTags: readonly string[];
  /** With `instruct`. */
  readonly instruction: Instruction | undefined;
  /** What generations may ask for; a rule with them looks at no text. */
  readonly caps: GenerationCaps | undefined;
  /** What replies are to be, likewise. */
  readonly replySchema: ReplySchema | undefined;
}

export interface NamedDetector {
  /** As a rule names it: one of the table, `pattern`, or `word`. */
  readonly name: string;
  readonly detector: Detector;
}

/** Throws GUARDRAIL_UNAVAILABLE for a rule that this version cannot carry out: a call that it is for must not pass unseen. */
export function compiledRule(rule: GuardrailRule): CompiledRule {
  let compiled = compiledRules.get(rule);
  if (compiled === undefined) {
    compiled = compile(rule);
    compiledRules.set(rule, compiled);
  }
  return compiled;
}

// Every request asks, and a rule never changes: a changed one is another object.
const compiledRules = new WeakMap<GuardrailRule, CompiledRule>();

function compile({ name, mode, restore, sides, models, detectors: names, patterns, words, topics, targetTags, instruction, caps, replySchema, check, timeout, failOpen }: GuardrailRule): CompiledRule {
  const listed = names.flatMap((detectorName) => {
    const found = Object.hasOwn(detectors, detectorName) ? detectors[detectorName] : undefined;
    if (found === undefined) throw unavailable(name, `this version has no detector "${detectorName}"`);
    return found.map((detector) => ({ name: detectorName, detector }));
  });
  const own = patterns.map((pattern) => ({ name: "pattern", detector: patternOf(name, pattern) }));
  const dictionary = words.length === 0 ? [] : [{ name: "word", detector: wordsDetector(words) }];
  const looked = [...listed, ...own, ...dictionary];
  const looksAtTexts = looked.length + topics.length > 0 || check.case !== undefined;
  return {
    name, mode: mode as Mode, restore, models, targetTags, instruction, caps, replySchema,
    sides: looksAtTexts ? sidesOf(mode, sides) : [],
    detectors: looked,
    topics: topics.map(compiledTopic),
    check: outsideCheckOf({ check, timeout, failOpen }),
  };
}

function sidesOf(mode: string, sides: readonly string[]): readonly Side[] {
  // What comes out is at a target already.
  if (mode === "restrict") return ["input"];
  return sides.length === 0 ? ["input", "output"] : (sides as Side[]);
}

function patternOf(rule: string, pattern: string): Detector {
  try {
    return patternDetector(pattern);
  } catch (cause) {
    throw unavailable(rule, "one of its patterns cannot be compiled", cause);
  }
}

function unavailable(rule: string, why: string, cause?: unknown): GatewayError {
  return new GatewayError("GUARDRAIL_UNAVAILABLE", `The guardrail "${rule}" cannot be carried out: ${why}. Ask whoever runs this installation to change the rule, or to update Weir.`, {
    metadata: { guardrail: rule },
    ...(cause === undefined ? {} : { cause }),
  });
}
