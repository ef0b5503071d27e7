/** Owns how the page talks to Weir's RPCs: Connect on its own origin, by the session's cookie, which counts with this header only. */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { MutationCache, QueryCache, QueryClient } from "@tanstack/react-query";
import { sessionKey } from "./session.ts";

const asConsole: Interceptor = (next) => (request) => {
  request.header.set("x-weir-console", "1");
  return next(request);
};

export const transport = createConnectTransport({ baseUrl: window.location.origin, interceptors: [asConsole], defaultTimeoutMs: 30_000 });

const onError = (error: unknown): void => {
  if (ConnectError.from(error).code === Code.Unauthenticated) void queryClient.invalidateQueries({ queryKey: sessionKey });
};

/** Knows who is signed in, and no more. */
export const queryClient = createQueryClient();

/** Keeps what was answered; one for each session. */
export function createQueryClient(): QueryClient {
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: { staleTime: 15_000, retry: (failures, error) => failures < 2 && ConnectError.from(error).code === Code.Unavailable },
    },
  });
}
