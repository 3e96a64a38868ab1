import type { ProviderSettings } from "#config/providers.ts";
import { createAnthropicBatches } from "./anthropic-batches.ts";
import { createOpenAiBatches } from "./openai-batches.ts";
import type { BatchProvider } from "./provider-port.ts";
import { openProviderWire, WIRE_TIMES, type WireTimes } from "./provider-wire.ts";

/** Those providers of the table that run batches. */
export type BatchProviders = {
	/** By its name in the table; undefined: there is none, or it runs no batches. */
	find(name: string): BatchProvider | undefined;
	/** Waits for open calls. */
	close(): Promise<void>;
};

/** `times` default to WIRE_TIMES. */
export function openBatchProviders(settings: readonly ProviderSettings[], times: Partial<WireTimes> = {}): BatchProviders {
	const opened = settings.flatMap((provider) => {
		const { name, batches, query, protocol } = provider;
		if (batches === undefined) return [];
		const wire = openProviderWire(provider, { ...WIRE_TIMES, ...times });
		const create = protocol === "openai" ? createOpenAiBatches : createAnthropicBatches;
		return [{ name, wire, batches: create({ name, query, wire, baseUrl: batches.baseUrl, limits: batches.limits }) }];
	});
	const byName = new Map(opened.map(({ name, batches }) => [name, batches]));
	return {
		find: (name) => byName.get(name),
		async close() {
			await Promise.all(opened.map(({ wire }) => wire.close()));
		},
	};
}
