import { Code, ConnectError, createClient, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { SubjectNames } from "./subject-names.ts";

function namesOf(policy: Partial<ServiceImpl<typeof PolicyService>>): SubjectNames {
  return new SubjectNames(createClient(PolicyService, createRouterTransport(({ service }) => void service(PolicyService, policy))));
}

test("tells keys by name, and nothing of what is not there", async () => {
  const listKeys = vi.fn(() => ({ keys: [{ id: "key_1", name: "ci" }] }));
  const names = namesOf({ listKeys });
  const nameOf = await names.of(["key_1", "key_2", "gpt-5", ""]);
  expect(["key_1", "key_2", "gpt-5", ""].map(nameOf)).toEqual(["ci", "", "", ""]);
  await names.of(["key_1", "key_2"]);
  expect(listKeys).toHaveBeenCalledOnce();
});

test("leaves names out where policy does not tell them, says so once, and asks no more", async () => {
  const print = vi.spyOn(console, "error").mockImplementation(() => undefined);
  onTestFinished(() => print.mockRestore());
  const listTeams = vi.fn(() => Promise.reject(new ConnectError("Nobody is home.", Code.Unavailable)));
  const names = namesOf({ listTeams });
  const nameOf = await names.of(["team_1", "key_1"]);
  expect(["team_1", "key_1"].map(nameOf)).toEqual(["", ""]);
  await names.of(["team_2", "org_1"]);
  expect(listTeams).toHaveBeenCalledOnce();
  expect(print).toHaveBeenCalledExactlyOnceWith(expect.stringMatching(/^Names are left out.*Nobody is home/));
});
