import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.env.WEIR_ADDRESS}/v1`, apiKey: process.env.WEIR_KEY });

const completion = await client.chat.completions.create({
  model: "demo/demo-chat",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(completion.choices[0]?.message.content);
