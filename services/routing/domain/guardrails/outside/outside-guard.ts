/** Owns what becomes of one call by the judgement of others: whom to ask, what follows from what they say, and from their saying nothing. */
import { GatewayError } from "#platform/errors.ts";
import type { CompiledRule, Mode, Side } from "../compiled-rules.ts";
import type { AskOutside, CheckedCall, Judgement, OutsideCheck, Span } from "./outside-check.ts";

/** How judgements take effect. */
export interface Effects {
  /** The rule's mode, or a milder one, takes effect; throws where that refuses the call. */
  readonly object: (rule: CompiledRule, mode: Mode, check: OutsideCheck, side: Side, reason: string) => void;
  /** The placeholder that stands for a text. */
  readonly placeholder: (rule: CompiledRule, side: Side, label: string, text: string) => string;
  /** There was no judgement, and the texts pass all the same. */
  readonly pass: (rule: CompiledRule, check: OutsideCheck, side: Side) => void;
}

interface CheckingRule extends CompiledRule {
  readonly check: OutsideCheck;
}

export class OutsideGuard {
  readonly #rules: readonly CheckingRule[];
  readonly #call: CheckedCall;
  readonly #ask: AskOutside;
  readonly #effects: Effects;
  /** A call that is tried at another target often brings the same texts. */
  #lastInput: { readonly texts: readonly string[]; readonly checked: readonly string[] } | undefined;

  constructor(rules: readonly CompiledRule[], call: CheckedCall, ask: AskOutside, effects: Effects) {
    this.#rules = rules.filter((rule): rule is CheckingRule => rule.check !== undefined);
    this.#call = call;
    this.#ask = ask;
    this.#effects = effects;
  }

  /** Whether texts of this side are judged. */
  asks(side: Side): boolean {
    return this.#rulesOf(side).length > 0;
  }

  /** Whether texts of this side must wait for the judgement. */
  holds(side: Side): boolean {
    return this.#rulesOf(side).some(({ mode }) => mayStop(mode));
  }

  /** The texts as those who judge let them go on. Throws GUARDRAIL_BLOCKED or GUARDRAIL_UNAVAILABLE. */
  async check(side: Side, texts: readonly string[]): Promise<readonly string[]> {
    if (side === "input" && this.#lastInput !== undefined && isSame(this.#lastInput.texts, texts)) return this.#lastInput.checked;
    const rules = this.#rulesOf(side);
    let checked = texts;
    // What one masks, the next does not see; those that change nothing need not wait for each other.
    for (const rule of rules.filter(({ mode }) => mode === "mask")) checked = await this.#checkBy(rule, side, checked);
    for (const rule of rules.filter(({ mode }) => mode === "shadow")) void this.#checkBeside(rule, side, checked);
    await Promise.all(rules.filter(({ mode }) => mode !== "mask" && mode !== "shadow").map((rule) => this.#checkBy(rule, side, checked)));
    if (side === "input") this.#lastInput = { texts, checked };
    return checked;
  }

  /** The texts of this side cannot be judged. Throws GUARDRAIL_UNAVAILABLE, unless all rules let them pass. */
  fail(side: Side, cause: unknown): void {
    for (const rule of this.#rulesOf(side)) this.#fail(rule, side, cause);
  }

  #rulesOf(side: Side): readonly CheckingRule[] {
    return this.#rules.filter(({ sides }) => sides.includes(side));
  }

  async #checkBy(rule: CheckingRule, side: Side, texts: readonly string[]): Promise<readonly string[]> {
    const asked = texts.flatMap((text, index) => (text.trim() === "" ? [] : [index]));
    if (asked.length === 0) return texts;
    const judgement = await this.#judgement(rule, side, asked.map((index) => texts[index]!));
    if (judgement.verdict === "allow") return texts;
    this.#effects.object(rule, effectOf(rule.mode, judgement.verdict), rule.check, side, judgement.verdict === "mask" ? "" : judgement.reason);
    if (judgement.verdict !== "mask" || rule.mode !== "mask") return texts;
    const masked = [...texts];
    for (const [place, change] of judgement.changes) {
      const index = asked[place]!;
      masked[index] = changedText(texts[index]!, change, (label, text) => this.#effects.placeholder(rule, side, label, text));
    }
    return masked;
  }

  /** The call does not wait for it, and may be over before. */
  async #checkBeside(rule: CheckingRule, side: Side, texts: readonly string[]): Promise<void> {
    const call = { ...this.#call, signal: new AbortController().signal };
    await new OutsideGuard([rule], call, this.#ask, this.#effects).#checkBy(rule, side, texts);
  }

  async #judgement(rule: CheckingRule, side: Side, texts: readonly string[]): Promise<Judgement> {
    try {
      return await this.#ask(rule.check, { rule: rule.name, side, texts, call: this.#call, isBeside: rule.mode === "shadow" });
    } catch (error) {
      this.#fail(rule, side, error);
      return { verdict: "allow" };
    }
  }

  #fail(rule: CheckingRule, side: Side, cause: unknown): void {
    const { signal } = this.#call;
    if (signal.aborted) throw signal.reason;
    const { name, mode, check } = rule;
    if (check.failOpen || !mayStop(mode)) return this.#effects.pass(rule, check, side);
    throw unavailable(name, check, side, cause);
  }
}

/** With what there is to do: what failed at whoever judges is not the caller's to know, but what the caller's budgets do not allow is. */
function unavailable(rule: string, { name }: OutsideCheck, side: Side, cause: unknown): GatewayError {
  const known = cause instanceof GatewayError ? cause : undefined;
  const isUnpaid = known?.reason === "BUDGET_EXCEEDED";
  const why = isUnpaid
    ? `${name} is asked on the account of the call, and was not asked. ${known.message}`
    : `${name} did not judge the ${side} in time or as it should, and the rule lets nothing pass without. Try again, or ask whoever made the rule.`;
  const retryAfterMs = known?.retryAfterMs ?? (isUnpaid ? undefined : 1_000);
  return new GatewayError("GUARDRAIL_UNAVAILABLE", `The guardrail "${rule}" could not be carried out: ${why}`, { metadata: { guardrail: rule }, cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) });
}

/** The text as a judgement changes it. */
export function changedText(text: string, change: string | readonly Span[], placeholder: (label: string, text: string) => string): string {
  if (typeof change === "string") return change;
  let changed = "";
  let at = 0;
  for (const { start, end, label } of change) {
    changed += text.slice(at, start) + placeholder(label, text.slice(start, end));
    at = end;
  }
  return changed + text.slice(at);
}

function mayStop(mode: Mode): boolean {
  return mode === "block" || mode === "mask";
}

/** A remark is never more than that; what should be refused cannot be masked. */
function effectOf(mode: Mode, verdict: "block" | "mask" | "annotate"): Mode {
  if (!mayStop(mode)) return mode;
  if (verdict === "annotate") return "annotate";
  return mode === "mask" ? verdict : "block";
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((text, index) => text === right[index]);
}
