/** Proves `weir ledger rerate` against a running Weir: each model by itself, and what was done once is not said to be done again. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runWeir } from "../../../test/harness/run-weir.ts";
import { startWeir } from "../../../test/harness/start-weir.ts";

test("models of like names are re-rated each by itself, and a period that was rated otherwise since is said to be", { timeout: 120_000 }, async () => {
  const weir = await startWeir();
  const run = async (...words: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runWeir([...words, "--data", weir.dataDirectory]);
    return `${stdout}${stderr}exit ${code}`;
  };
  const file = join(weir.dataDirectory, "prices.yaml");
  const versionAt = async (input: string) => {
    await writeFile(file, `prices: [{ name: demo/demo-chat, price: { input: "${input}", output: "4" } }]\n`);
    return /In force: (\S+)/.exec(await run("prices", "import", file))![1]!;
  };
  const rerate = (version: string, ...words: string[]) => run("ledger", "rerate", "--from", "2020-01-01", "--until", "2100-01-01", "--price-version", version, ...words);
  try {
    await fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content: "Hello" }] }),
    });
    await weir.attempts(1);
    const [dear, cheap] = [await versionAt("9"), await versionAt("2")];
    expect(await rerate(dear, "--model", "demo/demo-chat-of-another-year")).toContain("Nothing in this period");
    const done = await rerate(dear, "--model", "demo/demo-chat");
    expect(done).toMatch(/^demo\/demo-chat +1 +1 .*\nDone, as \w{32}\.\nexit 0$/m);
    expect(await rerate(dear, "--model", "demo/demo-chat")).toBe(done);
    expect(await rerate(cheap)).toMatch(/Done, as \w{32}/);
    expect(await rerate(dear, "--model", "demo/demo-chat")).toMatch(/^That was done before, as .* give a new --id\.\nexit 1$/);
    expect(await rerate(dear, "--id", "once more")).toMatch(/Done, as once more/);
    expect(await run("ledger", "check")).toContain("no difference");
  } finally {
    await weir.stop();
  }
});
