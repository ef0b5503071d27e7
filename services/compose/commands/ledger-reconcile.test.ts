/** Proves `weir ledger reconcile` against a running Weir: a file is compared with what was called, and what is left stands on the vendor's difference account. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runWeir } from "../../../test/harness/run-weir.ts";
import { startWeir } from "../../../test/harness/start-weir.ts";
import { dollars } from "../terminal/nanos.ts";

test("a vendor's CSV file is compared by hour, and a file or words that cannot be read are refused", { timeout: 90_000 }, async () => {
  const weir = await startWeir();
  const ledger = async (...words: string[]): Promise<string> => {
    const { stdout, stderr } = await runWeir(["ledger", ...words, "--data", weir.dataDirectory]);
    return stdout + stderr;
  };
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

    await writeFile(file, `Date,Model,Cost\n${at},demo-chat,${dollars(cost)}\n`);
    const again = await ledger(...words);
    expect(again).toContain("1 equal, 1 missing here; on difference:demo because of them: 0.50.");
    expect(again).toContain("Counted with them: 1 lines of the same periods");
    expect(await ledger(...words, "--replace")).toMatch(/1 equal; on difference:demo because of them: 0\.00\.\n$/);
    expect(await ledger(...words, "--replace", "--account", "europe")).toContain("leave --replace or --account out");

    const line = { line_id: "a", model: "x", start_time: "2026-11-20T12:00:00Z", end_time: "2026-11-20T13:00:00Z" };
    for (const wrong of [{ start_time: "0001-01-01T00:00:00Z" }, { end_time: "9999-12-31T23:59:59.999Z" }, { cost_nanos: "9223372036854775807" }, { quantities: [{ quantity: "5" }] }]) {
      const response = await fetch(`${weir.origin}/weir.metering.v1.MeteringService/ReconcileUsage`, {
        method: "POST",
        headers: { authorization: `Bearer ${weir.adminKey}`, "content-type": "application/json" },
        body: JSON.stringify({ vendor: "demo", source: "csv", lines: [{ ...line, ...wrong }] }),
      });
      expect([response.status, Object.keys(wrong)]).toEqual([400, Object.keys(wrong)]);
    }
    expect(await ledger(...words.slice(0, 5))).toContain("add --vendor and --columns");
    expect(await ledger("reconcile", "import", file, "--format", "openai-costs")).toMatch(/demo\.csv cannot be read as openai-costs: .*JSON/);
  } finally {
    await weir.stop();
  }
});
