/**
 * Owns replies of Gemini for the tests, typed by Google's own SDK, so that a change of shape fails to compile. Written after
 * https://ai.google.dev/api/generate-content, …/gemini-api/docs/generate-content/thought-signatures and …/docs/google-search.
 */
import type { GenerateContentParameters, GenerateContentResponse } from "@google/genai";

/** As JSON has it: an enumeration is its words. */
export type Json<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Json<T[K]> } : T;

export type ReplyJson = Json<Pick<GenerateContentResponse, "candidates" | "promptFeedback" | "usageMetadata" | "modelVersion" | "responseId">>;
export type BodyJson = Json<Omit<GenerateContentParameters, "model" | "config">> & { readonly [key: string]: unknown };

export const usageMetadata = {
  promptTokenCount: 100,
  cachedContentTokenCount: 30,
  candidatesTokenCount: 50,
  thoughtsTokenCount: 20,
  toolUsePromptTokenCount: 7,
  totalTokenCount: 177,
  promptTokensDetails: [
    { modality: "TEXT", tokenCount: 80 },
    { modality: "AUDIO", tokenCount: 20 },
  ],
  cacheTokensDetails: [{ modality: "AUDIO", tokenCount: 5 }],
} satisfies ReplyJson["usageMetadata"];

const thought = { text: "Let me see…", thought: true };
const text = "Der Himmel ist blau 🎨, sagt die NASA.";
const search = { executableCode: { language: "PYTHON", code: "print(1)" }, thoughtSignature: "bmF0aXZl" } as const;
const picture = { inlineData: { mimeType: "image/png", data: "iVBORw==" }, thoughtSignature: "cGljdHVyZQ==" };
const paint = { functionCall: { id: "fc_1", name: "paint", args: { colour: "blau 🎨" } }, thoughtSignature: "Y2FsbA==" };
const stop = { functionCall: { id: "fc_2", name: "stop", args: {} } };
const groundingMetadata = {
  webSearchQueries: ["sky", "blue"],
  groundingChunks: [{ web: { uri: "https://sky.example", title: "Sky" } }],
  groundingSupports: [{ segment: { startIndex: 0, endIndex: 24, text: "Der Himmel ist blau 🎨" }, groundingChunkIndices: [0] }],
};

/** A reply with a part of every kind that types tell apart. */
export const reply = {
  candidates: [
    {
      content: { role: "model", parts: [thought, search, picture, paint, stop, { text, thoughtSignature: "dGV4dA==" }] },
      finishReason: "STOP",
      index: 0,
      groundingMetadata,
    },
  ],
  usageMetadata,
  modelVersion: "gemini-3.8-flash",
  responseId: "resp_1",
} satisfies ReplyJson;

/** The same reply as a stream: the signature of a text comes behind it, in a part of its own. */
export const chunks = [
  chunk([{ ...thought, text: "Let me " }]),
  chunk([{ ...thought, text: "see…" }]),
  chunk([search, picture]),
  chunk([paint, stop]),
  chunk([{ text: text.slice(0, 15) }]),
  chunk([{ text: text.slice(15) }]),
  {
    ...reply,
    candidates: [{ content: { role: "model", parts: [{ text: "", thoughtSignature: "dGV4dA==" }] }, finishReason: "STOP", index: 0, groundingMetadata }],
  },
] satisfies readonly ReplyJson[];

/** Chunks as they go over the wire. */
export function toBytes(events: readonly object[]): Buffer {
  return Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(""));
}

function chunk(parts: NonNullable<NonNullable<NonNullable<ReplyJson["candidates"]>[number]["content"]>["parts"]>): ReplyJson {
  const { promptTokenCount } = usageMetadata;
  return { candidates: [{ content: { role: "model", parts }, index: 0 }], usageMetadata: { promptTokenCount, totalTokenCount: promptTokenCount }, modelVersion: "gemini-3.8-flash", responseId: "resp_1" };
}
