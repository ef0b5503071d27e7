/** Owns the start of the page: it puts the console and what it stands on into the document. */
import { TransportProvider } from "@connectrpc/connect-query";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { followAttention } from "./attention.ts";
import { Console } from "./console.tsx";
import { queryClient, transport } from "./weir.ts";

followAttention();
createRoot(document.getElementById("page")!).render(
  <StrictMode>
    <TransportProvider transport={transport}>
      <QueryClientProvider client={queryClient}>
        <Router base="/console">
          <Console />
        </Router>
      </QueryClientProvider>
    </TransportProvider>
  </StrictMode>,
);
