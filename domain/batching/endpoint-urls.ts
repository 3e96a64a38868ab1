import { BATCH_ENDPOINTS, type BatchEndpoint } from "./batch.ts";

/** The `url` of a line, which is also the `endpoint` of an OpenAI batch. */
export const ENDPOINT_URLS: Readonly<Record<BatchEndpoint, string>> = {
	"chat.completions": "/v1/chat/completions",
	responses: "/v1/responses",
	embeddings: "/v1/embeddings",
	messages: "/v1/messages",
};

/** undefined for what no batch of ours may carry. */
export function endpointOfUrl(url: unknown): BatchEndpoint | undefined {
	return BATCH_ENDPOINTS.find((endpoint) => ENDPOINT_URLS[endpoint] === url);
}
