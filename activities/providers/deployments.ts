import type { ProviderSettings, ProviderTable } from "#config/providers.ts";
import type { Endpoint } from "#domain/bound/request.ts";
import type { PriceBook, Protocol } from "#domain/pricing/price-book.ts";
import { GEOGRAPHY_MARK, geographyPermilleOf } from "#domain/pricing/price-tier.ts";
import type { Deployment, ReloadableCatalog, ServedModel } from "./port.ts";

/** Path of each endpoint below a provider's base URL, as the official SDKs build it. */
const ENDPOINT_PATHS: Readonly<Record<Protocol, Readonly<Partial<Record<Endpoint, string>>>>> = {
	openai: { "chat.completions": "/chat/completions", responses: "/responses", embeddings: "/embeddings" },
	anthropic: { messages: "/v1/messages", count_tokens: "/v1/messages/count_tokens" },
};

type Aliases = Parameters<ReloadableCatalog["replaceAliases"]>[0];
type Target = { readonly model: string; readonly pricedAsModel: string; readonly kind: "chat" | "embeddings" | undefined };

/**
 * Builds the catalog; without an alias table it follows the price book from version to version. Aliases of the policy go over
 * both. An alias is looked up once, never in turn as another alias: what stands behind it is the model id that a provider is sent.
 */
export function createDeploymentCatalog(table: ProviderTable): ReloadableCatalog {
	const configured = table.aliases === undefined ? undefined : fromAliases(table.providers, table.aliases);
	let version: number | undefined;
	let current = configured ?? new Map<string, readonly Deployment[]>();
	let declared = new Map<string, readonly Deployment[]>();
	const at = (book: PriceBook): ReadonlyMap<string, readonly Deployment[]> => {
		if (configured === undefined && version !== book.version) {
			current = fromPriceBook(table.providers, book);
			version = book.version;
		}
		return current;
	};
	return {
		followsPriceBook: configured === undefined,
		offered: table.providers.map(({ pricedAs, protocol }) => ({ pricedAs, protocol })),
		withoutKey: table.withoutKey ?? [],
		find: (alias, book) => declared.get(alias) ?? at(book).get(alias) ?? [],
		served: (book) =>
			[...new Map([...at(book), ...declared])].flatMap(([alias, deployments]): ServedModel[] => {
				const [first] = deployments;
				return first === undefined ? [] : [{ alias, protocol: first.protocol, provider: first.pricedAs.provider }];
			}),
		replaceAliases(aliases) {
			declared = fromAliases(table.providers, aliases);
		},
	};
}

/** A provider that is not configured here serves nothing. */
function fromAliases(settings: readonly ProviderSettings[], aliases: Aliases): Map<string, readonly Deployment[]> {
	const providers = new Map(settings.map((provider) => [provider.name, provider]));
	const served = new Map<string, readonly Deployment[]>();
	for (const [alias, targets] of Object.entries(aliases)) {
		const deployments = targets.flatMap((target) => {
			const provider = providers.get(target.provider);
			return provider === undefined ? [] : [toDeployment(provider, { ...target, kind: undefined })];
		});
		served.set(alias, deployments);
	}
	return served;
}

function fromPriceBook(providers: readonly ProviderSettings[], book: PriceBook): Map<string, readonly Deployment[]> {
	const served = new Map<string, readonly Deployment[]>();
	for (const provider of providers) {
		for (const line of book.lines) {
			if (line.provider !== provider.pricedAs || line.protocol !== provider.protocol) continue;
			for (const model of [line.model, ...line.aliases]) {
				if (!served.has(model)) served.set(model, [toDeployment(provider, { model, pricedAsModel: model, kind: line.kind })]);
			}
		}
	}
	return served;
}

/** Where `<provider>/<model>` is called, whatever it is offered as. */
export function deploymentOf(provider: ProviderSettings, model: string): Deployment {
	return toDeployment(provider, { model, pricedAsModel: model, kind: undefined });
}

function toDeployment(provider: ProviderSettings, target: Target): Deployment {
	const base = new URL(provider.baseUrl.replaceAll("{model}", encodeURIComponent(target.model)));
	const prefix = base.pathname === "/" ? "" : base.pathname;
	const query = new URLSearchParams(provider.query).toString();
	const paths: Partial<Record<Endpoint, string>> = {};
	for (const [endpoint, path] of Object.entries(ENDPOINT_PATHS[provider.protocol]) as [Endpoint, string][]) {
		if (target.kind !== undefined && (target.kind === "embeddings") !== (endpoint === "embeddings")) continue;
		paths[endpoint] = query === "" ? `${prefix}${path}` : `${prefix}${path}?${query}`;
	}
	return {
		name: `${provider.name}/${target.model}`,
		provider: provider.name,
		protocol: provider.protocol,
		origin: base.origin,
		model: target.model,
		pricedAs: { provider: provider.pricedAs, model: target.pricedAsModel },
		paths,
		billedStatuses: provider.billedStatuses,
		hasStreamUsage: provider.hasStreamUsage,
		hasKnownEncoding: provider.hasKnownEncoding,
		defaultTiers: provider.defaultTiers,
		tokenPermille: geographyPermilleOf(`${GEOGRAPHY_MARK}${provider.defaultGeography}`),
		enforcedCapFields: provider.enforcedCapFields,
	};
}
