import type { Endpoint } from "#domain/bound/request.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";

export type ModelRoute = { readonly url: string; readonly endpoint: Endpoint; readonly protocol: Protocol };

/** Every route that serves a model. All of them go through `serveCall`, which admits before it sends. */
export const MODEL_ROUTES: readonly ModelRoute[] = [
	{ url: "/v1/chat/completions", endpoint: "chat.completions", protocol: "openai" },
	{ url: "/v1/responses", endpoint: "responses", protocol: "openai" },
	{ url: "/v1/embeddings", endpoint: "embeddings", protocol: "openai" },
	{ url: "/v1/messages", endpoint: "messages", protocol: "anthropic" },
	{ url: "/v1/messages/count_tokens", endpoint: "count_tokens", protocol: "anthropic" },
];
