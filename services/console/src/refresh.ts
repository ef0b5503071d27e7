/** Owns asking again for a list that a change has made old. */
import type { DescMethodUnary } from "@bufbuild/protobuf";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";

/** Whatever was asked of the method is asked anew; resolves when the answers are here. */
export function useRefresh(schema: DescMethodUnary): () => Promise<void> {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) });
}
