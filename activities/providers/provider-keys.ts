import type { ProviderSettings } from "#config/providers.ts";
import { assert } from "#domain/assert.ts";
import type { Deployment } from "./port.ts";

/** Provider keys live here alone, each bound to the host it was configured for. */
export type ProviderKeys = {
	/** Flat name, value list to send to the deployment; empty when its provider needs no key. */
	headersFor(deployment: Deployment): readonly string[];
	/** The bytes with every occurrence of the deployment's key replaced. */
	redact(deployment: Deployment, body: Buffer): Buffer;
};

export function createProviderKeys(providers: readonly ProviderSettings[]): ProviderKeys {
	const bound = new Map(
		providers.map((provider) => [
			provider.name,
			{ headers: credentialHeaders(provider), originOf: originPattern(provider), secret: provider.key?.reveal() ?? "" },
		]),
	);
	return {
		headersFor(deployment) {
			const entry = bound.get(deployment.provider);
			assert(entry !== undefined, `no provider named ${deployment.provider}`);
			assert(entry.originOf(deployment.model) === deployment.origin, `the key of ${deployment.provider} is not for ${deployment.origin}`);
			return entry.headers;
		},
		redact(deployment, body) {
			const secret = bound.get(deployment.provider)?.secret ?? "";
			if (secret === "" || !body.includes(secret)) return body;
			return Buffer.from(body.toString("latin1").replaceAll(secret, "[redacted]"), "latin1");
		},
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
