import type { BatchLimits } from "./provider-port.ts";
import type { ProviderWire } from "./provider-wire.ts";

/** An account at a provider that runs batches, as the providers file names it. Holds no key. */
export type BatchAccount = {
	readonly name: string;
	/** What `/files` and `/batches` (OpenAI) or `/v1/messages/batches` (Anthropic) is appended to. */
	readonly baseUrl: string;
	readonly query: Readonly<Record<string, string>>;
	readonly limits: BatchLimits;
	readonly wire: ProviderWire;
};
