/** Proves `weir prices` against a running Weir: what is imported by file is listed, compared and remembered. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runWeir, type CommandOutcome } from "../../../test/harness/run-weir.ts";
import { startWeir } from "../../../test/harness/start-weir.ts";

test("a file of prices is compared, imported and listed, and a file that is none is refused", { timeout: 90_000 }, async () => {
  const weir = await startWeir();
  const run = (...words: string[]): Promise<CommandOutcome> => runWeir(["prices", ...words]);
  const weirCommand = async (...words: string[]) => {
    const { stdout, stderr } = await run(...words, "--data", weir.dataDirectory);
    return stdout + stderr;
  };
  try {
    const file = join(weir.dataDirectory, "prices.yaml");
    await writeFile(file, 'prices: [{ name: demo/demo-chat, price: { input: "2", until: "2027-01-01", tier_multipliers: { batch: "0.5" } } }]\nadjustments: [{ organization_id: org_a, models: "*", percent: "-10" }]\n');
    const changes = await weirCommand("diff", file);
    expect(changes).toMatch(/^demo\/demo-chat\n {2}- [^\n]*input:1 output:4\n {2}\+ batch +2027-01-01 input:1\n {2}\+ all +2027-01-01 input:2\n/);
    expect(changes).toContain("Mark-ups and discounts change.");
    expect(await weirCommand("list", "demo/demo-chat")).not.toContain("2027");
    expect(await weirCommand("import", file)).toContain("In force: pri_");
    expect(await weirCommand("list", "demo/demo-chat")).toMatch(/demo\/demo-chat +batch +2027-01-01 +input:1\n[\s\S]*org_a +\* +-10 %/);
    expect(await weirCommand("history")).toMatch(/key_\w+ +pri_\w+ +2 +1$/m);
    await writeFile(file, 'adjustments: [{ organization_id: acme, models: "*", percent: "-10" }]\n');
    expect(await weirCommand("import", file)).toContain("adjustments[0].organization_id");
    await writeFile(file, "# None any more.\n");
    expect(await weirCommand("import", file)).toMatch(/\+ \S+ +input:1 output:4\nMark-ups and discounts change\.\nIn force: pri_/);
    const listFile = join(weir.dataDirectory, "litellm.json");
    await writeFile(listFile, JSON.stringify({ "gpt-x": { litellm_provider: "openai", input_cost_per_token: 1.25e-6, output_cost_per_token: 1e-5 }, "claude-x": { litellm_provider: "anthropic", input_cost_per_token: 3e-6 }, "flux": { litellm_provider: "aiml" } }));
    const converted = await run("convert", listFile, "--vendor", "openai");
    expect(converted.stderr).toBe("Converted: 1.\nLeft out: 1, of a vendor, a region or a variant that Weir has no name for: flux\n");
    await writeFile(file, converted.stdout);
    expect(await weirCommand("import", file)).toContain("openai/gpt-x\n  + none,default,standard,on_demand   input:1.25 output:10");
    expect((await run("convert", file)).stderr).toMatch(/is not LiteLLM's list of prices: .* Take https:/);
    await writeFile(file, "price: []\n");
    expect(await weirCommand("import", file)).toMatch(/holds no prices: .*price/);
  } finally {
    await weir.stop();
  }
});
