/** Owns the proof that whatever stands in a message of any RPC, it is refused with a reason, or done: nothing of it is a defect. */
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { ProvidersService } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { Exposure } from "#gen/weir/types/v1/method_pb.ts";
import { ruleOf } from "#platform/rpc/method-guard.ts";
import { hostileMessages } from "../harness/hostile-messages.ts";
import { startWeir, type Weir } from "../harness/start-weir.ts";

/** At once; each on a stream of one connection, as a client's calls are. */
const atOnce = 16;
const answeredWithinMs = 30_000;

const methods: readonly DescMethod[] = [PolicyService, MeteringService, ProvidersService, InferenceService].flatMap(({ methods: own }): readonly DescMethod[] => own);
const asked = methods.filter((method) => method.methodKind === "unary" && ruleOf(method).exposure !== Exposure.INTERNAL);

let weir: Weir;
let transport: Transport;
let known: Readonly<Record<string, string>>;

beforeAll(async () => {
  weir = await startWeir({ config: "{ providers: { demo: { vendor: demo, stored_credentials: true } }, logging: { level: warn } }" });
  transport = createGrpcTransport({ baseUrl: weir.origin });
  const policy = weir.client(PolicyService);
  const { organization } = await policy.createOrganization({ name: "hostile" });
  const { team } = await policy.createTeam({ organizationId: organization!.id, name: "team" });
  const { key } = await policy.createKey({ teamId: team!.id, name: "key" });
  known = { organizationId: organization!.id, teamId: team!.id, keyId: key!.id };
});
afterAll(() => weir?.stop());

test.each(asked.map((method) => [method.name, method] as const))("%s", { timeout: 240_000 }, async (_, method) => {
  const waiting = hostileMessages(method.input, known);
  const call = async (): Promise<void> => {
    for (let message = waiting.pop(); message !== undefined; message = waiting.pop()) {
      const error = await answerTo(method, message);
      if (error === undefined) continue;
      const { reason } = error.findDetails(ErrorInfoSchema)[0] ?? { reason: "" };
      expect([Code.Internal, Code.Unknown], `${error.message} ${JSON.stringify(message, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value)).slice(0, 500)}`).not.toContain(error.code);
      expect(reason, error.message).not.toBe("");
    }
  };
  await Promise.all(Array.from({ length: atOnce }, call));
  expect(weir.log().filter(({ level }) => level === "error" || level === "fatal")).toEqual([]);
});

/** The error with which the call ended; undefined where it was done. */
async function answerTo(method: DescMethod, message: object): Promise<ConnectError | undefined> {
  const headers = { authorization: `Bearer ${weir.adminKey}` };
  try {
    await transport.unary(method as DescMethod & { methodKind: "unary" }, undefined, answeredWithinMs, headers, message as never);
    return undefined;
  } catch (error) {
    return ConnectError.from(error);
  }
}
