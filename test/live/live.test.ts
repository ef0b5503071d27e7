/** Owns `npm run live`: the capability suite's questions to the vendors themselves, for whoever has keys. It costs a few cents. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { modelNames } from "../../services/providers/domain/catalogue.ts";
import { vendors } from "../../services/providers/edge/vendors.ts";
import { HeardError } from "../capabilities/exchange.ts";
import { features } from "../capabilities/features.ts";
import { callers } from "../capabilities/stages.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

const variables = Object.entries(vendors).flatMap(([vendor, { environment }]) => (environment === undefined ? [] : [{ vendor, variable: environment.apiKey }]));
const reachable = variables
  .filter(({ variable }) => (process.env[variable] ?? "") !== "")
  // Which of a vendor's models is asked, WEIR_LIVE_MODEL_OPENAI and its like say.
  .map(({ vendor }) => ({ vendor, model: process.env[`WEIR_LIVE_MODEL_${vendor.toUpperCase()}`] ?? modelNames(vendor)[0] ?? "" }));
if (reachable.length === 0) throw new Error(`There is no vendor's key in the environment. Set one or more of ${variables.map(({ variable }) => variable).join(", ")}.`);

/** What a vendor answers is its own affair; that a question is taken, and a reply comes with its usage, is ours. Replies that the suite makes up cannot be had. */
const questions = features.filter(({ arrives, wanted }) => arrives.length > 0 && arrives[0] !== "turns" && wanted.turns.length === 1);

let weir: Weir;
beforeAll(async () => {
  weir = await startWeir({ wiring: "together", environment: process.env as Record<string, string> });
});
afterAll(() => weir?.stop());

describe.each(reachable)("$vendor, $model", ({ vendor, model }) => {
  test("has a model to ask", () => {
    expect(model, `set WEIR_LIVE_MODEL_${vendor.toUpperCase()}`).not.toBe("");
  });

  describe.each(callers)("$dialect", (caller) => {
    test.each(questions)("$name", { timeout: 120_000 }, async ({ name, wanted }) => {
      const request = caller.build(wanted);
      for (const stream of request === undefined ? [] : [false, true]) {
        const heard = await caller.send(weir, `${vendor}/${model}`, request!, stream).catch((error: unknown) => error as HeardError);
        if (heard instanceof HeardError) {
          // What Weir itself refuses because the vendor has nothing like it.
          expect(heard.message).toContain("cannot honour");
          console.log(`${vendor} · ${caller.dialect} · ${name}: rejects (${heard.message})`);
          return;
        }
        expect(heard.answer.usage.input).toBeGreaterThan(0);
        expect(heard.answer.usage.output).toBeGreaterThan(0);
        console.log(`${vendor} · ${caller.dialect} · ${name}: ${heard.warnings === "" ? "works" : `warns (${heard.warnings})`}`);
      }
    });
  });
});
