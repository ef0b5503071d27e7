/** Owns the list of dialects: adding one is a folder and a row here. The first answers where nothing shows the caller's dialect. */
import type { Dialect } from "../domain/dialect.ts";
import { anthropicDialect } from "./anthropic/dialect.ts";
import { cohereDialect } from "./cohere/dialect.ts";
import { geminiDialect } from "./gemini/dialect.ts";
import { jinaDialect } from "./jina/dialect.ts";
import { ollamaDialect } from "./ollama/dialect.ts";
import { openaiDialect } from "./openai/dialect.ts";
import { openaiResponsesDialect } from "./openai-responses/dialect.ts";

export const dialects: readonly Dialect[] = [openaiDialect, openaiResponsesDialect, anthropicDialect, geminiDialect, ollamaDialect, cohereDialect, jinaDialect];
