/** Owns a line of facts: what it is, and what is known of it. */
import type { ReactNode } from "react";

/** Nothing where nothing is known. */
export function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }): ReactNode {
  if (children === undefined || children === "" || children === false) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
