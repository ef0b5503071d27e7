/** Owns the proof that nothing is lost between any dialect and any vendor without the caller being told. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeSignature } from "../../services/routing/edge/gemini/thought-signature.ts";
import { withCallsByPlace } from "./calls-by-place.ts";
import { compatibilityPage, type Cell, type Verdict } from "./compatibility-page.ts";
import { HeardError, type Answer, type Asked, type Caller, type Heard, type Player, type Wanted } from "./exchange.ts";
import { features, type Feature } from "./features.ts";
import { callers, stages, startStages, type Stage, type StartedStages } from "./stages.ts";

const cells: Cell[] = [];
let started: StartedStages;

beforeAll(async () => {
  started = await startStages();
});
afterAll(() => started?.stop());

/** What came of one call. */
interface Outcome {
  readonly asked: Asked | undefined;
  readonly heard: Heard | undefined;
  readonly error: HeardError | undefined;
}

async function call({ player, model }: Stage, caller: Caller, request: object, answer: Answer, stream: boolean): Promise<Outcome> {
  let asked: Asked | undefined;
  let fault: Error | undefined;
  started.upstreamOf(player).answerWith((received, response) => {
    try {
      asked = player.read(received, stream);
    } catch (error) {
      fault = error as Error;
    }
    const { contentType, pieces } = player.write(answer, stream, received.path);
    response.writeHead(200, { "content-type": contentType });
    for (const piece of asTheNetworkCuts(pieces)) response.write(piece);
    response.end();
  });
  const outcome = await caller.send(started.weir, `${player.vendor}/${model}`, request, stream).then(
    (heard) => ({ heard, error: undefined }),
    (error: unknown) => ({ heard: undefined, error: error as HeardError }),
  );
  if (fault !== undefined) throw new Error(`${player.vendor} would refuse the request: ${fault.message}`, { cause: fault });
  return { asked, ...outcome };
}

/** Not at the ends of events, and through the middle of characters. */
function asTheNetworkCuts(pieces: readonly (string | Buffer)[]): Buffer[] {
  const bytes = Buffer.concat(pieces.map((piece) => Buffer.from(piece)));
  return Array.from({ length: Math.ceil(bytes.length / 149) }, (_, index) => bytes.subarray(index * 149, (index + 1) * 149));
}

/** Throws when something was lost and nobody was told. */
function judge({ player }: Stage, { wanted, arrives, returns }: Feature, answer: Answer, { asked, heard, error }: Outcome): Verdict {
  if (error !== undefined) {
    expect(error).toBeInstanceOf(HeardError);
    expect(error).toMatchObject({ status: 400, requestId: expect.stringMatching(/^req_/) as string });
    expect(asked, "a refused request was sent all the same").toBeUndefined();
    return "rejects";
  }
  if (heard!.unsaid !== undefined) return "none";
  const pick = <T extends object>(from: T, names: readonly (keyof T)[]): object => Object.fromEntries(names.map((name) => [name, from[name]]));
  expect(pick(heard!.answer, returns)).toEqual(pick(withSealed(answer), returns));
  const named = player.renamesCalls === true ? withCallsByPlace : (one: Wanted): Wanted => one;
  const expected = player.expected === undefined ? wanted : player.expected(wanted);
  // A warning excuses the loss of what is tried, not of what stands beside it.
  const isWarned = heard!.warnings !== "";
  const mustArrive = (Object.keys(expected) as (keyof Wanted)[]).filter((name) => !isWarned || !arrives.includes(name));
  expect(pick(named(asked!), mustArrive)).toEqual(pick(named(expected), mustArrive));
  return isWarned ? "warns" : "works";
}

/** With signatures as a client has them from earlier replies of this vendor: Gemini's dialect marks those that are not Google's. */
function asGiven(wanted: Wanted, { dialect, like = dialect }: Caller, { vendor }: Player): Wanted {
  if (like !== "Gemini" || vendor === "gemini" || vendor === "vertex") return wanted;
  return { ...wanted, turns: wanted.turns.map(({ role, parts }) => ({ role, parts: parts.map((part) => ("reasoning" in part ? { ...part, signature: writeSignature(part.signature) } : part)) })) };
}

/** A signature may come with a note of what it signs. */
function withSealed({ reasoning, ...rest }: Answer): Answer {
  if (reasoning === undefined) return rest;
  return { ...rest, reasoning: { ...reasoning, signature: reasoning.signature === "" ? "" : (expect.stringContaining(reasoning.signature) as string) } };
}

describe.each(callers)("$dialect", (caller) => {
  describe.each(stages)("to $player.vendor", (stage) => {
    test.each(features)("$name", async (feature) => {
      const { player } = stage;
      const answer = player.sayable === undefined ? feature.answer : player.sayable(feature.answer);
      const request = answer === undefined ? undefined : caller.build(asGiven(feature.wanted, caller, player), feature.answer);
      const before = expect.getState().assertionCalls;
      const verdicts: Verdict[] = [];
      for (const stream of request === undefined ? [] : [false, true]) verdicts.push(judge(stage, feature, answer!, await call(stage, caller, request!, answer!, stream)));
      expect(new Set(verdicts).size, "unary and stream differ").toBeLessThanOrEqual(1);
      cells.push({ client: caller, vendor: player.vendor, feature: feature.name, verdict: verdicts[0] ?? "none", assertions: expect.getState().assertionCalls - before });
    });
  });
});

test("docs/compatibility.md says what was seen", async () => {
  await expect(compatibilityPage(features, cells)).toMatchFileSnapshot("../../docs/compatibility.md");
});
