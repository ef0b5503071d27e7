/** Owns the options by which `weir guardrails create` is told of a rule. */
import { readFile } from "node:fs/promises";
import { create, fromJson, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, type Duration } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { GenerationCapsSchema, GuardrailJudgeSchema, GuardrailModerationSchema, type GuardrailRule, type GuardrailRuleSchema } from "#gen/weir/policy/v1/guardrail_pb.ts";
import { GatewayError } from "#platform/errors.ts";

type RuleInit = MessageInitShape<typeof GuardrailRuleSchema>;

export interface GuardrailOptions {
  readonly mode: string;
  readonly detect?: readonly string[];
  readonly pattern?: readonly string[];
  readonly word?: readonly string[];
  readonly side?: readonly string[];
  readonly model?: readonly string[];
  readonly organization?: string;
  readonly team?: string;
  readonly key?: string;
  readonly restore?: true;
  readonly plugin?: string;
  readonly moderate?: string;
  readonly category?: readonly string[];
  readonly judge?: string;
  readonly question?: string;
  readonly expected?: string;
  readonly timeoutMs?: string;
  readonly failOpen?: true;
  readonly targetTag?: readonly string[];
  readonly instruction?: string;
  readonly instructionPlace?: string;
  readonly maxOutputTokens?: string;
  readonly minTemperature?: string;
  readonly maxTemperature?: string;
  readonly maxCandidates?: string;
  readonly maxReasoningEffort?: string;
  readonly maxReasoningTokens?: string;
  readonly allowTool?: readonly string[];
  readonly forbidTool?: readonly string[];
  readonly replySchema?: string;
  readonly topic?: string;
  readonly term?: readonly string[];
  readonly threshold?: string;
}

export function addGuardrailOptions(command: Command): Command {
  return command
    .requiredOption("--mode <mode>", "what happens: block, mask, annotate, shadow, restrict, clamp, instruct")
    .option("--detect <detector>", "what to look for, such as email or secret (docs/guardrails.md); repeat for more", collect)
    .option("--pattern <expression>", "a regular expression in RE2's syntax; repeat for more", collect)
    .option("--word <text>", "a word or phrase; repeat for more", collect)
    .option("--topic <name>", "texts that are about a topic, by --term and --threshold")
    .option("--term <text>", "a word or phrase of the topic, `merger=3` with a weight (default: 1); repeat for more", collect)
    .option("--threshold <number>", "the sum of weights from which on a text is about the topic, each term counted once")
    .option("--side <side>", "look at the input or the output alone", collect)
    .option("--model <name>", "calls of this route, `provider/model` or `provider/*`; repeat for more", collect)
    .option("--organization <id>", "calls of this organization")
    .option("--team <id>", "calls of this team")
    .option("--key <id>", "calls of this key")
    .option("--restore", "with --mode mask: put originals back in the reply")
    .option("--plugin <name>", "have the plug-in of this name in weir.yaml judge the texts")
    .option("--moderate <model>", "have a moderation model judge the texts: a route, or `provider/model`")
    .option("--category <name=score>", "with --moderate: a category that counts, from this score on; repeat for more", collect)
    .option("--judge <model>", "have a model answer --question about the texts: a route, or `provider/model`")
    .option("--question <text>", "with --judge: a question to be answered with yes or no")
    .option("--expected <answer>", "with --judge: the answer with which texts pass (default: no)")
    .option("--timeout-ms <number>", "how long the judgement may take (default: 5000)")
    .option("--fail-open", "let texts pass when there is no judgement in time")
    .option("--target-tag <tag>", "with --mode restrict: targets of providers with this tag may have such calls; repeat for more", collect)
    .option("--instruction <text>", "with --mode instruct: what the model is told in every generation")
    .option("--instruction-place <place>", "before the caller's own instructions, or after (default: before)")
    .option("--max-output-tokens <number>", "generations may ask for no more, as all that follow; with --mode clamp it is lowered")
    .option("--min-temperature <number>")
    .option("--max-temperature <number>")
    .option("--max-candidates <number>", "replies to choose from")
    .option("--max-reasoning-effort <level>", "none, minimal, low, medium, high or extra_high")
    .option("--max-reasoning-tokens <number>")
    .option("--allow-tool <name>", "only tools of this name; repeat for more", collect)
    .option("--reply-schema <file>", "replies must be JSON under the JSON Schema in this file; `asked`: under what the caller asks for")
    .option("--forbid-tool <name>", "no tool of this name; repeat for more", collect);
}

function collect(value: string, former: readonly string[] = []): readonly string[] {
  return [...former, value];
}

/** Throws INVALID_REQUEST for what cannot be read; whether the rule makes sense, policy says. */
export async function readGuardrail(name: string, options: GuardrailOptions): Promise<RuleInit> {
  const { mode, detect = [], pattern = [], word = [], side = [], model = [], organization = "", team = "", key = "", restore = false, targetTag = [], timeoutMs, failOpen = false } = options;
  return {
    name, mode, detectors: [...detect], patterns: [...pattern], words: [...word], sides: [...side], models: [...model], organizationId: organization, teamId: team, keyId: key, restore, failOpen, targetTags: [...targetTag],
    check: checkOf(options),
    ...(timeoutMs === undefined ? {} : { timeout: readTimeout(timeoutMs) }),
    ...readInstruction(options), ...readCaps(options), ...readTopic(options), ...(await readReplySchema(options)),
  };
}

function checkOf({ plugin, moderate, category = [], judge, question = "", expected = "" }: GuardrailOptions): GuardrailRule["check"] {
  if (plugin !== undefined) return { case: "plugin", value: plugin };
  if (moderate !== undefined) return { case: "moderation", value: create(GuardrailModerationSchema, { model: moderate, thresholds: Object.fromEntries(category.map(readCategory)) }) };
  if (judge !== undefined) return { case: "judge", value: create(GuardrailJudgeSchema, { model: judge, question, expected }) };
  return { case: undefined };
}

function readTimeout(text: string): Duration {
  if (!/^\d{1,5}$/.test(text)) throw new GatewayError("INVALID_REQUEST", `--timeout-ms ${text}: write a number of milliseconds, such as 500.`);
  return durationFromMs(Number(text));
}

function readCategory(text: string): [name: string, score: number] {
  const [, name = "", score = ""] = /^(.+)=([\d.]+)$/.exec(text) ?? [];
  if (name === "" || Number.isNaN(Number(score))) throw new GatewayError("INVALID_REQUEST", `--category ${text}: write its name and a score, such as violence=0.5.`);
  return [name, Number(score)];
}

function readInstruction({ instruction, instructionPlace = "" }: GuardrailOptions): Pick<RuleInit, "instruction"> {
  return instruction === undefined ? {} : { instruction: { text: instruction, place: instructionPlace } };
}

function readCaps(options: GuardrailOptions): Pick<RuleInit, "caps"> {
  const { maxOutputTokens, minTemperature, maxTemperature, maxCandidates, maxReasoningEffort, maxReasoningTokens, allowTool, forbidTool } = options;
  const given = { maxOutputTokens, minTemperature: readNumber(minTemperature), maxTemperature: readNumber(maxTemperature), maxCandidates: readNumber(maxCandidates), maxReasoningEffort, maxReasoningTokens, allowedTools: allowTool, forbiddenTools: forbidTool };
  const caps = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as JsonObject;
  return Object.keys(caps).length === 0 ? {} : { caps: fromJson(GenerationCapsSchema, caps) };
}

function readTopic({ topic, term = [], threshold }: GuardrailOptions): Pick<RuleInit, "topics"> {
  if (topic === undefined) return {};
  const terms = Object.fromEntries(term.map((one) => /^(?<text>.*?)(?:=(?<weight>\d{1,4}))?$/.exec(one)!.groups!).map(({ text = "", weight = "1" }) => [text, Number(weight)]));
  return { topics: [{ name: topic, terms, threshold: readNumber(threshold) ?? 0 }] };
}

async function readReplySchema({ replySchema }: GuardrailOptions): Promise<Pick<RuleInit, "replySchema">> {
  if (replySchema === undefined) return {};
  return { replySchema: { jsonSchema: replySchema === "asked" ? "" : await readFile(replySchema, "utf8") } };
}

function readNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  throw new GatewayError("INVALID_REQUEST", `"${text}" is no number.`);
}
