/** Proves that the command line says where it looked for a Weir, and why none answered. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { connect } from "./running-weir.ts";

async function askAt(address: string): Promise<unknown> {
  const environment = { variables: {}, dataDirectory: "/nonexistent", databaseUrl: undefined, configPath: undefined, address, adminKey: "weir_key" };
  return (await connect(PolicyService, {}, environment)).listTeams({});
}

test("an address that is none is refused", async () => {
  for (const address of ["weir.example.com", "weir.example.com:8080", "ftp://weir.example.com", ""]) await expect(askAt(address), address).rejects.toThrow(`"${address}" is no address of a Weir: write it as http://`);
});

test("where nothing answers, or something else, it says so with the network's reason", async () => {
  const server = createServer((_, response) => void response.end());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await expect(askAt(`https://127.0.0.1:${port}`)).rejects.toThrow(`No Weir answers at https://127.0.0.1:${port} (EPROTO).`);
  await new Promise((resolve) => server.close(resolve));
  await expect(askAt(`http://127.0.0.1:${port}`)).rejects.toThrow(`No Weir answers at http://127.0.0.1:${port} (ECONNREFUSED).`);
  await expect(askAt("http://nowhere.invalid")).rejects.toThrow(/No Weir answers at http:\/\/nowhere\.invalid \(E\w+\)/);
});
