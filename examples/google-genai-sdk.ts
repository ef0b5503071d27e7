import { GoogleGenAI } from "@google/genai";

const client = new GoogleGenAI({ apiKey: process.env.WEIR_KEY!, httpOptions: { baseUrl: process.env.WEIR_ADDRESS! } });

const stream = await client.models.generateContentStream({ model: "demo/demo-chat", contents: "Hello" });
for await (const chunk of stream) process.stdout.write(chunk.text ?? "");
