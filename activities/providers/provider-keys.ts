import type { ProviderSettings } from "#config/providers.ts";
import { assert } from "#domain/assert.ts";
import type { Deployment } from "./port.ts";
import { createRedaction, NOTHING_TO_REDACT, type Redaction } from "./redaction.ts";

/** Provider keys live here alone, each bound to the host it was configured for. */
export type ProviderKeys = {
	/** Flat name, value list to send to the deployment; empty when its provider needs no key. */
	headersFor(deployment: Pick<Deployment, "provider" | "model" | "origin">): readonly string[];
	/** Takes the deployment's key out of what its provider says. */
	redactionFor(deployment: Pick<Deployment, "provider">): Redaction;
};

export function createProviderKeys(providers: readonly ProviderSettings[]): ProviderKeys {
	const bound = new Map(
		providers.map((provider) => [
			provider.name,
			{ headers: credentialHeaders(provider), originOf: originPattern(provider), redaction: createRedaction(provider.key?.reveal() ?? "") },
		]),
	);
	return {
		headersFor(deployment) {
			const entry = bound.get(deployment.provider);
			assert(entry !== undefined, `no provider named ${deployment.provider}`);
			assert(entry.originOf(deployment.model) === deployment.origin, `the key of ${deployment.provider} is not for ${deployment.origin}`);
			return entry.headers;
		},
		// To a provider that is not in the table nothing is sent.
		redactionFor: (deployment) => bound.get(deployment.provider)?.redaction ?? NOTHING_TO_REDACT,
	};
}

function credentialHeaders(provider: ProviderSettings): readonly string[] {
	if (provider.key === undefined) return [];
	const text = provider.key.reveal();
	return [provider.credentialHeader, provider.credentialHeader === "authorization" ? `Bearer ${text}` : text];
}

function originPattern(provider: ProviderSettings): (model: string) => string {
	if (!provider.baseUrl.includes("{model}")) {
		const { origin } = new URL(provider.baseUrl);
		return () => origin;
	}
	return (model) => new URL(provider.baseUrl.replaceAll("{model}", encodeURIComponent(model))).origin;
}
