/** Owns how a list names a request: by the end of its id, since those of one hour begin alike. */
import type { ReactNode } from "react";
import { Link } from "wouter";

const shownCharacters = 8;

export function RequestLink({ id }: { readonly id: string }): ReactNode {
  return <Link className="id" href={`/requests/${id}`} title={id} aria-label={id}>…{id.slice(-shownCharacters)}</Link>;
}
