/** Owns `weir content`: reading what a call said, and erasing all that an organization's calls said. */
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Command } from "commander";
import { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import { PolicyService } from "#gen/weir/policy/v1/policy_service_pb.ts";
import type { Environment } from "../environment.ts";
import { onlyOrganization } from "../terminal/only-organization.ts";
import { addRunningWeirOptions, connect, type RunningWeirOptions } from "../terminal/running-weir.ts";

interface OrganizationOptions extends RunningWeirOptions {
  readonly organization?: string;
}

export function addContentCommand(program: Command, environment: Environment): void {
  const content = program.command("content").description("read what a call said, or erase what an organization's calls said");
  addRunningWeirOptions(content.command("show <call-id>"))
    .description("print the request and the reply of a call, req_…; the audit log notes that you did")
    .option("--organization <id>", "whose call it was (to be named where the key reaches several)")
    .action(async (callId: string, { organization, ...options }: OrganizationOptions) => {
      const organizationId = organization ?? (await onlyOrganization(await connect(PolicyService, options, environment)));
      const metering = await connect(MeteringService, options, environment);
      const { content: kept, recordTime } = await metering.readContent({ organizationId, callId });
      const { keyId, operation, request, requestBytes, reply, replyBytes } = kept!;
      console.log(`${timestampDate(recordTime!).toISOString()} ${keyId} ${operation}`);
      console.log(`\n── request, ${requestBytes} bytes ──\n${Buffer.from(request).toString("utf8")}\n\n── reply, ${replyBytes} bytes ──\n${Buffer.from(reply).toString("utf8")}`);
    });
  addRunningWeirOptions(content.command("erase"))
    .description("destroy the key under which an organization's content is encrypted: nobody can read it any more, in no copy")
    .option("--organization <id>", "whose content (to be named where the key reaches several)")
    .action(async ({ organization, ...options }: OrganizationOptions) => {
      const organizationId = organization ?? (await onlyOrganization(await connect(PolicyService, options, environment)));
      const metering = await connect(MeteringService, options, environment);
      const { calls } = await metering.eraseContent({ organizationId });
      console.log(`Erased: the content of ${calls} calls.`);
    });
}
