/** Owns the `jina` dialect: the form of Rerank that Jina, vLLM, llama.cpp, Together and others have in common. */
import type { Dialect } from "../../domain/dialect.ts";
import { openaiDialect } from "../openai/dialect.ts";
import { rerankEndpoint } from "./rerank.ts";

export const jinaDialect: Dialect = {
  name: "jina",
  // Its one path is nobody else's. All else its servers have of OpenAI.
  claims: () => false,
  readCredential: (headers, query) => openaiDialect.readCredential(headers, query),
  requestHeaders: [],
  endpoints: [rerankEndpoint],
  writeError: (error, requestId) => openaiDialect.writeError(error, requestId),
};
