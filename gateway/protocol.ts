import type { FastifyRequest } from "fastify";
import type { Protocol } from "#domain/pricing/price-book.ts";

/** The shape a caller expects: by path where the path says it, else by the header every Anthropic client sends. */
export function protocolOf(request: Pick<FastifyRequest, "url" | "headers">): Protocol {
	if (request.url.startsWith("/v1/messages") || request.url.startsWith("/v1/deferred/messages")) return "anthropic";
	if (request.url.startsWith("/v1/batches") || request.url.startsWith("/v1/deferred")) return "openai";
	if (request.url.startsWith("/v1/models")) return request.headers["anthropic-version"] === undefined ? "openai" : "anthropic";
	if (request.url.startsWith("/v1/chat") || request.url.startsWith("/v1/responses") || request.url.startsWith("/v1/embeddings")) return "openai";
	return request.headers["anthropic-version"] === undefined ? "openai" : "anthropic";
}
