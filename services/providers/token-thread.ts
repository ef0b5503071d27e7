/** Owns the thread that counts tokens, by the encoding of OpenAI's present models: see docs/decisions/tokens-counted-in-a-thread.md. */
import { parentPort } from "node:worker_threads";
import { countTokens as tokensOf } from "gpt-tokenizer/encoding/o200k_base";
import { countTokens } from "./domain/usage/count-tokens.ts";
import type { CountedTexts } from "./domain/usage/estimate-usage.ts";

/** Names of special tokens in a text are text. */
const allIsText = { disallowedSpecial: new Set<string>() };

parentPort!.on("message", (texts: CountedTexts) => parentPort!.postMessage(countTokens(texts, (text) => tokensOf(text, allIsText))));
parentPort!.postMessage("listening");
