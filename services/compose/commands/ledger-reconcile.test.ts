/** Proves `weir ledger reconcile` against a running Weir: a file is compared with what was called, and what is left stands on the vendor's difference account. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startWeir } from "../../../test/harness/start-weir.ts";
import { dollars } from "../nanos.ts";

test("a vendor's CSV file is compared by hour, and a file or words that cannot be read are refused", { timeout: 90_000 }, async () => {
  const weir = await startWeir();
  const ledger = (...words: string[]) =>
    new Promise<string>((resolve) =>
      execFile(process.execPath, ["services/compose/weir.js", "ledger", ...words, "--data", weir.dataDirectory], { cwd: join(import.meta.dirname, "../../.."), timeout: 60_000 }, (_, stdout, stderr) => resolve(stdout + stderr)),
    );
  try {
    await fetch(`${weir.origin}/v1/chat/completions`, {
      method: "POST",
      headers: { authorization: `Bearer ${weir.inferenceKey}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "demo/demo-chat", messages: [{ role: "user", content: "Hello" }] }),
    });
    const [attempt] = await weir.attempts(1);
    const cost = attempt!.costNanos!;
    const file = join(weir.dataDirectory, "demo.csv");
    const at = new Date(Number(attempt!.event!.intent!.startTime!.seconds) * 1_000).toISOString();
    await writeFile(file, `Date,Model,Cost\n${at},demo-chat,${dollars(cost + 1_000n)}\n${at},demo-image,0.5\n`);
    const words = ["reconcile", "import", file, "--format", "csv", "--vendor", "demo", "--columns", "time=Date,model=Model,cost=Cost"];
    const report = await ledger(...words);
    expect(report).toMatch(/^different +\S+ +demo-chat +- .* 0\.000001$/m);
    expect(report).toMatch(/^missing here +\S+ +demo-image +- .* 0\.50$/m);
    expect(report).toContain("1 different, 1 missing here; on difference:demo because of them: 0.500001.");
    expect(await ledger(...words)).toBe(report);
    expect(await ledger("check")).toContain("no difference");
    expect(await ledger(...words.slice(0, 5))).toContain("add --vendor and --columns");
    expect(await ledger("reconcile", "import", file, "--format", "openai-costs")).toMatch(/demo\.csv cannot be read as openai-costs: .*JSON/);
  } finally {
    await weir.stop();
  }
});
