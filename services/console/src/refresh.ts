/** Owns changing what lists show, and asking again for the list that a change has made old. */
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { ConnectError } from "@connectrpc/connect";
import { createConnectQueryKey, useMutation } from "@connectrpc/connect-query";
import { useQueryClient, type UseMutationResult } from "@tanstack/react-query";

/** Whatever was asked of the method is asked anew; resolves when the answers are here. */
export function useRefresh(schema: DescMethodUnary): () => Promise<void> {
  const queryClient = useQueryClient();
  return () => queryClient.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) });
}

type Change<Input extends DescMessage, Output extends DescMessage> = UseMutationResult<MessageShape<Output>, ConnectError, MessageInitShape<Input>>;

/** Changes something; done when the list that has it is here anew. */
export function useChange<Input extends DescMessage, Output extends DescMessage>(method: DescMethodUnary<Input, Output>, listed: DescMethodUnary, onDone: () => void): Change<Input, Output> {
  const refresh = useRefresh(listed);
  return useMutation(method, {
    onSuccess: async () => {
      await refresh();
      onDone();
    },
  });
}
