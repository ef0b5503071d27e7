/** Owns how much a generation can make a vendor work, as far as the request decides it: what it sends, what it refers to, what it asks for. */
import type { Media, Part } from "#gen/weir/inference/v1/content_pb.ts";
import { CacheMarker_Lifetime } from "#gen/weir/inference/v1/content_pb.ts";
import type { Tool } from "#gen/weir/inference/v1/generation_pb.ts";
import type { Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";

export interface GenerationExtent {
  /** Of all text, rather too many than too few: a token has a byte or more. */
  readonly textTokens: bigint;
  readonly images: bigint;
  /** Of sound that the request holds; a token of it has a byte or more too. */
  readonly soundBytes: bigint;
  /** True when it refers to content whose size the request does not show: then it is as much as the model reads at all. */
  readonly isOpenEnded: boolean;
  /** True when some of it is to be kept in the vendor's cache for an hour, which costs more. */
  readonly keepsForAnHour: boolean;
  readonly candidates: bigint;
  /** Of each candidate; undefined when the request does not say. */
  readonly maximumOutputTokens: bigint | undefined;
  /** What a lower maximum may not fall below. */
  readonly leastOutputTokens: bigint;
  /** The service tier that it asks for, where that can cost more than what nobody asks for. */
  readonly dearerTier: string | undefined;
  /** The field of the caller's bytes that lets the vendor work on without a limit; undefined where none does. Types do not carry it. */
  readonly unlimitedField: string | undefined;
  /** The tools that the vendor runs itself, as often as it likes. */
  readonly unlimitedTools: readonly VendorTool[];
}

export interface VendorTool {
  /** Whose form it has. */
  readonly dialect: string;
  /** What it is, such as `web_search`. */
  readonly type: string;
}

/** A shorter reply than this is of no use, unless less was asked for. */
const leastUsefulTokens = 256n;
/** What vendors write around a request, and around each piece of it: roles, the forms of calls. */
const tokensAround = { request: 512, message: 16, part: 16, tool: 64 } as const;
/** What vendors say to a model that has tools; the most of https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing, and more. */
const toolPromptTokens = 2_048;

/**
 * Members of the dialects that types do not carry and by which a request costs what nobody can tell before: searches and servers that
 * the vendor calls, models that it chooses, rounds that it adds.
 */
const unlimitedFields: readonly RegExp[] = [/^web_search_options/, /^search_parameters/, /^plugins/, /^models$/, /^mcp_servers/, /^context_management$/, /^container/, /^best_of$/, /^fallbacks/];
/** In the place of unknown fields that are too many to be named: any of these may be among them. */
export const furtherUnknownFields = "further unknown fields";
/** Those that refer to content which the vendor keeps. */
const referringFields: readonly RegExp[] = [/^cachedContent/, /^cached_content/, /^previous_response_id/, /^conversation/, /^prompt$/];
/** Anthropic's word in requests and replies for its fast mode, which has prices of its own: https://platform.claude.com/docs/en/build-with-claude/fast-mode */
const fastMode = { field: "speed", tier: "fast" } as const;
/** What the vendors call the tier that nobody asks for, and those that cost less. */
const tiersOfNoMore: ReadonlySet<string> = new Set(["", "auto", "default", "standard", "standard_only", "on_demand", "flex", "batch"]);
/** Tools of Anthropic's that the caller runs: https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview */
const toolsThatCallersRun = /^(bash|text_editor|computer|memory)_/;

/** What of a request in a dialect is not in its types. */
export interface Untranslated {
  /** The fields that types cannot carry. */
  readonly fields: readonly string[];
  /** Of the whole request, these fields included. */
  readonly bytes: number;
}

export const nothingUntranslated: Untranslated = { fields: [], bytes: 0 };

export function extentOf(generation: Generation, untranslated: Untranslated): GenerationExtent {
  const measure = new Measure();
  // How much of the request they are is not known.
  if (untranslated.fields.length > 0) measure.textTokens += untranslated.bytes;
  for (const { name, parts } of generation.messages) {
    measure.textTokens += tokensAround.message + lengthOf(name ?? "");
    for (const part of parts) measure.addPart(part);
  }
  for (const tool of generation.tools) measure.addTool(tool);
  if (generation.tools.length > 0) measure.textTokens += toolPromptTokens;
  const { outputFormat } = generation;
  if (outputFormat?.kind.case === "jsonSchema") measure.textTokens += textIn(outputFormat.kind.value);
  const budgetTokens = generation.reasoning?.budgetTokens ?? 0n;
  return {
    textTokens: BigInt(tokensAround.request + measure.textTokens),
    images: BigInt(measure.images),
    soundBytes: BigInt(measure.soundBytes),
    isOpenEnded: measure.isOpenEnded || untranslated.fields.some((field) => referringFields.some((pattern) => pattern.test(field))),
    keepsForAnHour: measure.keepsForAnHour,
    candidates: BigInt(generation.candidateCount ?? 1),
    maximumOutputTokens: generation.maxOutputTokens,
    // Where it may think for so long, vendors refuse a maximum that leaves nothing for words.
    leastOutputTokens: leastUsefulTokens + (budgetTokens > 0n ? budgetTokens : 0n),
    dearerTier: dearerTierOf(generation.serviceTier ?? "", untranslated.fields),
    unlimitedField: untranslated.fields.find((field) => field === furtherUnknownFields || unlimitedFields.some((pattern) => pattern.test(field))),
    unlimitedTools: measure.unlimitedTools,
  };
}

function dearerTierOf(serviceTier: string, untranslated: readonly string[]): string | undefined {
  if (untranslated.includes(fastMode.field)) return fastMode.tier;
  return tiersOfNoMore.has(serviceTier) ? undefined : serviceTier;
}

class Measure {
  textTokens = 0;
  images = 0;
  soundBytes = 0;
  isOpenEnded = false;
  keepsForAnHour = false;
  readonly unlimitedTools: VendorTool[] = [];

  addPart({ kind, cacheMarker }: Part): void {
    this.textTokens += tokensAround.part;
    this.keepsForAnHour ||= cacheMarker?.lifetime === CacheMarker_Lifetime.ONE_HOUR;
    switch (kind.case) {
      case "image":
        this.images++;
        return;
      case "audio":
        this.textTokens += lengthOf(kind.value.transcript ?? "");
        this.#addMedia(kind.value.media, (data) => (this.soundBytes += data.length));
        return;
      case "file": {
        const { media, ...texts } = kind.value;
        this.textTokens += textIn(texts);
        const isText = media?.mediaType.startsWith("text/") === true;
        this.#addMedia(media, (data) => {
          if (isText) this.textTokens += data.length;
          else this.isOpenEnded = true;
        });
        return;
      }
      case "toolResult":
        for (const part of kind.value.parts) this.addPart(part);
        return;
      case "native":
        // A piece that one vendor alone knows: it may stand for much.
        this.isOpenEnded = true;
        return;
      default:
        this.textTokens += textIn(kind.value);
    }
  }

  addTool({ kind, cacheMarker }: Tool): void {
    this.textTokens += tokensAround.tool;
    this.keepsForAnHour ||= cacheMarker?.lifetime === CacheMarker_Lifetime.ONE_HOUR;
    if (kind.case !== "native") {
      this.textTokens += textIn(kind.value) + (kind.case === "custom" ? kind.value.formatJson.length : 0);
      return;
    }
    const tool = JSON.parse(Buffer.from(kind.value.json).toString()) as { readonly type?: unknown };
    const type = typeof tool.type === "string" ? tool.type : Object.keys(tool).join(",");
    this.textTokens += kind.value.json.length + toolPromptTokens;
    if (!toolsThatCallersRun.test(type)) this.unlimitedTools.push({ dialect: kind.value.dialect, type: type.slice(0, 100) });
  }

  #addMedia(media: Media | undefined, addData: (data: Uint8Array) => void): void {
    if (media?.source.case === "data") addData(media.source.value);
    else this.isOpenEnded = true;
  }
}

/** The UTF-8 bytes of all texts in a message. */
function textIn(value: unknown): number {
  if (typeof value === "string") return lengthOf(value);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return 0;
  let length = 0;
  for (const name in value) if (name !== "$typeName") length += textIn((value as Record<string, unknown>)[name]);
  return length;
}

function lengthOf(text: string): number {
  return Buffer.byteLength(text);
}
