/** Owns what the guardrails do with one call: what they find in it, what stands there instead, and what its caller is told. */
import { create } from "@bufbuild/protobuf";
import { WarningSchema, type Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { Target } from "../targets/plan.ts";
import type { CompiledRule, NamedDetector, Side } from "./compiled-rules.ts";
import type { Detector } from "./detectors/detector.ts";
import type { AskOutside, CheckedCall } from "./outside/outside-check.ts";
import { OutsideGuard } from "./outside/outside-guard.ts";
import { Placeholders } from "./texts/placeholders.ts";
import { TextStream, type Watch } from "./texts/text-stream.ts";
import { topicWatch } from "./detectors/topics.ts";
import { exactDetector } from "./detectors/words.ts";

/** That a call asks for more than a rule allows. */
export interface Excess {
  /** As in the contract: `max_output_tokens`. */
  readonly parameter: string;
  readonly asked: string;
  readonly allowed: string;
}

/** That a rule found something, without what it was. */
export interface Finding {
  readonly rule: string;
  readonly mode: string;
  readonly detector: string;
  readonly side: Side;
}

export class CallGuard {
  readonly #rules: readonly CompiledRule[];
  readonly #onFinding: (finding: Finding) => void;
  readonly #placeholders = new Placeholders();
  /** What is to be put back, by its placeholder. */
  readonly #originals = new Map<string, string>();
  /** Of texts of the input that were changed: as what they go on, undefined where something was masked in them that had not been before. */
  readonly #familiar = new Map<string, string | undefined>();
  /** Each with what the caller is told of it. */
  readonly #findings = new Map<string, { readonly finding: Finding; readonly warning: Warning }>();
  readonly #outside: OutsideGuard | undefined;
  /** That texts passed without the judgement of others. */
  readonly #omissions = new Map<string, Warning>();

  /** Of rules that are all for the call; told of each kind of finding once. Without `outside`, nobody else is asked to judge. */
  constructor(rules: readonly CompiledRule[], onFinding: (finding: Finding) => void, outside?: { readonly call: CheckedCall; readonly ask: AskOutside }) {
    this.#rules = rules;
    this.#onFinding = onFinding;
    if (outside === undefined || rules.every(({ check }) => check === undefined)) return;
    this.#outside = new OutsideGuard(rules, outside.call, outside.ask, {
      object: ({ name: rule }, mode, { name: detector }, side, reason) => this.#objected({ rule, mode, detector, side }, reason),
      placeholder: ({ restore }, side, label, text) => this.#mask(label, text, restore && side === "input"),
      pass: ({ name: rule, mode }, { name }, side) => {
        if (mode !== "shadow") this.#omissions.set(`${rule} ${side}`, create(WarningSchema, { field: side, message: `guardrail ${rule} was passed over: ${name} gave no judgement` }));
      },
    });
  }

  /** Whether something is to be done with texts of this side. */
  looksAt(side: Side): boolean {
    return this.#rules.some(({ sides }) => sides.includes(side)) || (side === "output" && this.#restores);
  }

  /** Whether texts of this side may come out otherwise than they came in. */
  changes(side: Side): boolean {
    return this.#rules.some(({ sides, mode }) => mode === "mask" && sides.includes(side)) || (side === "output" && this.#restores);
  }

  /** Whether something else stands in the place of what was found in the input so far. */
  get hasMasked(): boolean {
    return [...this.#findings.values()].some(({ finding: { mode, side } }) => mode === "mask" && side === "input");
  }

  /** Whether something in the call may keep it from this target. */
  mayKeepFrom(target: Target): boolean {
    return this.#keepingFrom(target).length > 0;
  }

  /** A guard that finds what keeps the call from this target, and throws TARGET_NOT_ALLOWED then; undefined where nothing can. */
  keeperFrom(target: Target): CallGuard | undefined {
    const keeping = this.#keepingFrom(target);
    if (keeping.length === 0) return undefined;
    const always = keeping.find(({ detectors, topics }) => detectors.length + topics.length === 0);
    if (always !== undefined) throw targetNotAllowed(always, target.name, "is for every call");
    return new CallGuard(keeping, (finding) => {
      this.#found(finding);
      throw targetNotAllowed(keeping.find(({ name }) => name === finding.rule)!, target.name, `found ${finding.detector} in its input`);
    });
  }

  /** The rules about what a generation asks for, what is added to it, and what form its reply has. */
  get rulesOfGenerations(): readonly CompiledRule[] {
    return this.#rules.filter(({ caps, instruction, replySchema }) => caps !== undefined || instruction !== undefined || replySchema !== undefined);
  }

  /** Tells of it as the rule's mode says. Throws GUARDRAIL_BLOCKED. */
  exceeded({ name: rule, mode }: CompiledRule, { parameter, asked, allowed }: Excess): void {
    const message = mode === "clamp" ? `${allowed} instead of ${asked}: guardrail ${rule}` : `${asked}, and guardrail ${rule} allows ${allowed}`;
    this.#note({ rule, mode, detector: parameter, side: "input" }, create(WarningSchema, { field: parameter, message }));
    if (mode !== "block") return;
    throw new GatewayError("GUARDRAIL_BLOCKED", `The guardrail "${rule}" blocked this call: it asks for ${parameter} ${asked}, and allowed is ${allowed}. Change that, or ask whoever made the rule.`, {
      metadata: { guardrail: rule, detector: parameter, side: "input" },
    });
  }

  /** Tells of a reply that is not the JSON it should be, as the rule's mode says. Throws GUARDRAIL_BLOCKED. */
  misshapen({ name: rule, mode }: CompiledRule, fault: string): void {
    const finding: Finding = { rule, mode, detector: "json_schema", side: "output" };
    this.#note(finding, create(WarningSchema, { field: "output", message: `guardrail ${rule}: ${fault}` }));
    if (mode !== "block") return;
    throw new GatewayError("GUARDRAIL_BLOCKED", `The guardrail "${rule}" blocked this reply, which must be JSON that fits a schema: ${fault}. Ask again, or for less; or ask whoever made the rule.`, {
      metadata: { guardrail: rule, detector: "json_schema", side: "output" },
    });
  }

  /** Looks at one text of this side; told of what is masked in it and is nothing that its vendor knows by its placeholder alone. Its methods throw GUARDRAIL_BLOCKED. */
  textStream(side: Side, onMaskedAnew: () => void = () => undefined): TextStream {
    const restoring = side === "output" && this.#originals.size > 0 ? [this.#restoring()] : [];
    return new TextStream([...restoring, ...this.#watches(side, onMaskedAnew)]);
  }

  /** Told of a text of the input before it is looked at. */
  noteInput(text: string): void {
    if (this.changes("input")) this.#placeholders.note(text);
  }

  /** Told of a text of the input that was looked at; what it was the first time counts, as then more than before it is known. */
  noteLooked(text: string, looked: string, isMaskedAnew: boolean): void {
    if (looked !== text && !this.#familiar.has(text)) this.#familiar.set(text, isMaskedAnew ? undefined : looked);
  }

  /** Whether a text of the input goes on in the words in which the vendor wrote it: what is masked in it had been put back there. */
  isAsWritten(text: string, looked: string): boolean {
    return looked === text || this.#familiar.get(text) === looked;
  }

  /** The texts as others who judge them let them go on. Throws GUARDRAIL_BLOCKED or GUARDRAIL_UNAVAILABLE. */
  checkOutside(side: Side, texts: readonly string[]): Promise<readonly string[]> | readonly string[] {
    return this.#outside === undefined ? texts : this.#outside.check(side, texts);
  }

  /** Those who judge a whole reply; undefined where there are none. */
  get outsideOfOutput(): OutsideGuard | undefined {
    return this.#outside?.asks("output") === true ? this.#outside : undefined;
  }

  /** What callers are told: what was masked or is to be annotated. */
  get warnings(): readonly Warning[] {
    const told = [...this.#findings.values()].filter(({ finding }) => finding.mode !== "shadow").map(({ warning }) => warning);
    return [...told, ...this.#omissions.values()];
  }

  #keepingFrom({ provider: { tags } }: Target): readonly CompiledRule[] {
    return this.#rules.filter(({ mode, targetTags }) => mode === "restrict" && !targetTags.some((tag) => tags.includes(tag)));
  }

  get #restores(): boolean {
    return this.#rules.some(({ restore }) => restore);
  }

  #watches(side: Side, onMaskedAnew: () => void): Watch[] {
    const wanted = new Map<Detector, { readonly name: string; readonly rules: CompiledRule[] }>();
    for (const rule of this.#rules.filter(({ sides }) => sides.includes(side))) {
      for (const { detector, name } of rule.detectors) {
        const entry = wanted.get(detector) ?? { name, rules: [] };
        entry.rules.push(rule);
        wanted.set(detector, entry);
      }
    }
    return [...[...wanted].map(([detector, { name, rules }]) => this.#watch({ detector, name }, rules, side, onMaskedAnew)), ...this.#topicWatches(side)];
  }

  #topicWatches(side: Side): Watch[] {
    return this.#rules
      .filter(({ sides }) => sides.includes(side))
      .flatMap(({ name: rule, mode, topics }) => topics.map((topic) => topicWatch(topic, () => this.#found({ rule, mode, detector: `topic:${topic.name}`, side }))));
  }

  #watch({ detector, name }: NamedDetector, rules: readonly CompiledRule[], side: Side, onMaskedAnew: () => void): Watch {
    const { label } = detector;
    const masks = rules.some(({ mode }) => mode === "mask");
    const restores = side === "input" && rules.some(({ restore }) => restore);
    return {
      detector,
      onFind: () => {
        for (const { name: rule, mode } of rules) this.#found({ rule, mode, detector: name, side });
      },
      replacementFor: masks
        ? (text) => {
            const known = this.#originals.size;
            const placeholder = this.#mask(label, text, restores);
            if (!restores || this.#originals.size > known) onMaskedAnew();
            return placeholder;
          }
        : undefined,
    };
  }

  #mask(label: string, text: string, restores: boolean): string {
    const placeholder = this.#placeholders.for(label, text);
    if (restores) this.#originals.set(placeholder, text);
    return placeholder;
  }

  #found(finding: Finding): void {
    const { rule, mode, detector, side } = finding;
    this.#note(finding, create(WarningSchema, { field: side, message: `guardrail ${rule} ${mode === "mask" ? "masked" : "found"} ${detector}` }));
    if (mode !== "block") return;
    throw new GatewayError("GUARDRAIL_BLOCKED", `The guardrail "${rule}" blocked this call: it found ${detector} in its ${side}. Leave that out, or ask whoever made the rule.`, {
      metadata: { guardrail: rule, detector, side },
    });
  }

  /** Others who judge have something against it. */
  #objected(finding: Finding, reason: string): void {
    const { rule, mode, detector, side } = finding;
    const objection = `${detector} objects${reason === "" ? "" : ` (${reason})`}`;
    this.#note(finding, create(WarningSchema, { field: side, message: `guardrail ${rule} ${mode === "mask" ? `masked what ${detector} objects to` : objection}` }));
    if (mode !== "block") return;
    throw new GatewayError("GUARDRAIL_BLOCKED", `The guardrail "${rule}" blocked this call: ${objection} to its ${side}. Leave that out, or ask whoever made the rule.`, {
      metadata: { guardrail: rule, detector, side },
    });
  }

  #note(finding: Finding, warning: Warning): void {
    const key = Object.values(finding).join(" ");
    if (this.#findings.has(key)) return;
    this.#findings.set(key, { finding, warning });
    this.#onFinding(finding);
  }

  /** Puts originals back where their placeholders stand. */
  #restoring(): Watch {
    return {
      detector: exactDetector("", [...this.#originals.keys()]),
      onFind: () => undefined,
      replacementFor: (placeholder, isJson) => (isJson ? withinString(this.#originals.get(placeholder)!) : this.#originals.get(placeholder)!),
    };
  }
}

/** As it is written within a string of JSON. */
function withinString(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function targetNotAllowed({ name, targetTags }: CompiledRule, target: string, why: string): GatewayError {
  const tags = targetTags.join(", ");
  return new GatewayError("TARGET_NOT_ALLOWED", `The guardrail "${name}" keeps this call from ${target}: it ${why}, and only targets tagged ${tags} may have such calls. Name such a target, or ask whoever made the rule.`, {
    metadata: { guardrail: name, target, tags },
  });
}
