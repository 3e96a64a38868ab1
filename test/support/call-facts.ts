import type { CallFacts } from "#activities/decisions/port.ts";

export function callFacts(changes: Partial<CallFacts> = {}): CallFacts {
	return {
		team: "search",
		feature: null,
		user: null,
		environment: "production",
		keyId: "key1",
		endpoint: "chat.completions",
		protocol: "openai",
		modelAsked: "fast",
		provider: "openai",
		model: "gpt-4o-mini",
		boundNanoUsd: "1000000",
		boundTokens: "900",
		isStream: false,
		hasTools: false,
		claimed: {},
		...changes,
	};
}
