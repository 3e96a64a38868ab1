/** Sizes of earlier responses, so that `previous_response_id` brings its tokens along though no byte of the request shows them. */
const RESPONSES_MOST = 10_000;

export class ResponseMemory {
	readonly #contextTokens = new Map<string, number>();

	remember(responseId: string, contextTokens: number): void {
		if (this.#contextTokens.size >= RESPONSES_MOST) this.#contextTokens.clear();
		this.#contextTokens.set(responseId, contextTokens);
	}

	/** Input and output of the response and all before it; undefined for one this process never gave. */
	contextTokensOf(responseId: string): number | undefined {
		return this.#contextTokens.get(responseId);
	}
}
