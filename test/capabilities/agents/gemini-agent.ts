/**
 * Owns the shape of coding agents on Gemini's generateContent, such as Gemini CLI: each part sent back as it came, thought signatures included
 * (https://ai.google.dev/gemini-api/docs/thought-signatures).
 */
import { GoogleGenAI, type Content, type GenerateContentResponse } from "@google/genai";
import { instructions, maximumRounds, task, tools, useTool, type Agent } from "./agent.ts";

export const geminiAgent: Agent = {
  name: "Gemini with thought signatures",
  remembersThoughts: true,
  async run({ origin, inferenceKey }, model, stream) {
    const client = new GoogleGenAI({ apiKey: inferenceKey, httpOptions: { baseUrl: origin, apiVersion: "v1beta", retryOptions: { attempts: 1 } } });
    const contents: Content[] = [{ role: "user", parts: [{ text: task }] }];
    for (let round = 0; round < maximumRounds; round++) {
      const asked = {
        model,
        contents,
        config: {
          systemInstruction: instructions,
          maxOutputTokens: 4000,
          thinkingConfig: { includeThoughts: true },
          tools: [{ functionDeclarations: tools.map(({ name, description, parameters }) => ({ name, description, parametersJsonSchema: parameters })) }],
        },
      };
      const pieces: GenerateContentResponse[] = [];
      if (!stream) pieces.push(await client.models.generateContent(asked));
      else for await (const piece of await client.models.generateContentStream(asked)) pieces.push(piece);
      const parts = pieces.flatMap(({ candidates }) => candidates?.[0]?.content?.parts ?? []);
      const calls = parts.flatMap(({ functionCall }) => functionCall ?? []);
      if (calls.length === 0) return parts.map((part) => (part.thought === true ? "" : (part.text ?? ""))).join("");
      contents.push(
        { role: "model", parts },
        { role: "user", parts: calls.map(({ id, name, args }) => ({ functionResponse: { ...(id === undefined ? {} : { id }), name: name!, response: { output: useTool(name!, args) } } })) },
      );
    }
    throw new Error("The loop does not end.");
  },
};
