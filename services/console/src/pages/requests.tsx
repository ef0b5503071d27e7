/** Owns the page of requests: the newest attempts, or what their attempts do not tell of. */
import type { ReactNode } from "react";
import { AttemptsList } from "../parts/attempts-list.tsx";
import { RecordsList } from "../parts/records-list.tsx";
import { useList } from "../parts/requests-frame.tsx";

export function RequestsPage(): ReactNode {
  return useList() === "attempts" ? <AttemptsList /> : <RecordsList />;
}
