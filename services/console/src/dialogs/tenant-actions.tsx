/** Owns what can be done with organizations and teams alike: renaming, suspending and resuming them. */
import type { DescMessage, DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { OpenDialog } from "../parts/dialog.tsx";
import type { RowAction } from "../parts/row-actions.tsx";
import { ConfirmDialog } from "./confirm-dialog.tsx";
import { RenameDialog } from "./rename-dialog.tsx";

export interface Tenant {
  readonly id: string;
  readonly name: string;
  readonly suspendTime?: Timestamp | undefined;
}

/** Of the members of a request. */
export interface TenantChange {
  readonly name?: string;
  readonly suspended?: boolean;
  readonly updateMask: { readonly paths: string[] };
}

interface TenantKind<Input extends DescMessage> {
  /** What it is called: `team`. */
  readonly kind: string;
  readonly method: DescMethodUnary<Input>;
  readonly inputOf: (id: string, change: TenantChange) => MessageInitShape<Input>;
  readonly listed: DescMethodUnary;
}

export function tenantActions<Input extends DescMessage>({ kind, inputOf, ...ofList }: TenantKind<Input>, open: OpenDialog): RowAction<Tenant>[] {
  return [
    {
      title: "Rename",
      run: ({ id, name }) => open((onClose) => <RenameDialog kind={kind} name={name} inputOf={(next) => inputOf(id, { name: next, updateMask: { paths: ["name"] } })} {...ofList} onClose={onClose} />),
    },
    {
      title: "Suspend",
      isOffered: (tenant) => !isSuspended(tenant),
      run: ({ id, name }) => open((onClose) => (
        <ConfirmDialog title={`Suspend “${name}”?`} action={`Suspend ${kind}`} deed={`suspend ${kind}s`} isDangerous input={inputOf(id, { suspended: true, updateMask: { paths: ["suspended"] } })} {...ofList} onClose={onClose}>
          All its keys are refused within a second, and streams under way are cut, until it is resumed.
        </ConfirmDialog>
      )),
    },
    {
      title: "Resume",
      isOffered: isSuspended,
      run: ({ id, name }) => open((onClose) => (
        <ConfirmDialog title={`Resume “${name}”?`} action={`Resume ${kind}`} deed={`resume ${kind}s`} input={inputOf(id, { suspended: false, updateMask: { paths: ["suspended"] } })} {...ofList} onClose={onClose}>
          Its keys are good again within a second.
        </ConfirmDialog>
      )),
    },
  ];
}

export function isSuspended({ suspendTime }: Tenant): boolean {
  return suspendTime !== undefined;
}
