import type { Queryable } from "#activities/keys/port.ts";
import { readModelAliases } from "#activities/policy/model-aliases.ts";
import type { CheaperModels } from "#config/cheaper-models.ts";
import type { ProviderOutline } from "#config/providers.ts";
import type { PriceBook, PriceLine } from "#domain/pricing/price-book.ts";
import type { ModelUse } from "./read-uses.ts";

/** The model that simple calls are priced at in an audit. `chosenBy`: who asks, a degrade line of a budget of the team or the organisation, or the table that comes with Tollgate. */
export type CheaperModel = { readonly model: string; readonly chosenBy: "asked" | "policy" | "table"; readonly line: PriceLine };

export type CheaperSources = {
	readonly database: Queryable;
	readonly book: PriceBook;
	readonly providers: ProviderOutline;
	/** Model → cheaper model, for this question alone. */
	readonly asked: Readonly<Record<string, string>>;
	readonly table: CheaperModels;
};

const DEGRADED = `
	SELECT b.team_id AS "teamId", t.line -> 'degradeTo' AS "degradeTo"
	FROM tollgate.declared_budget b CROSS JOIN LATERAL jsonb_array_elements(b.thresholds) AS t (line)
	WHERE b.deleted_at IS NULL AND t.line ->> 'action' = 'degrade' ORDER BY b.team_id NULLS LAST, b.id`;

/** Returns who finds the cheaper model of a use: undefined where none is known, or none that is priced and speaks the same protocol. */
export async function createCheaperChooser({ database, book, providers, asked, table }: CheaperSources): Promise<(use: ModelUse) => CheaperModel | undefined> {
	const { rows: degraded } = await database.query<{ teamId: string | null; degradeTo: Readonly<Record<string, string>> }>(DEGRADED);
	const aliases = { ...providers.aliases, ...(await readModelAliases(database)) };
	const pricedAs = new Map(providers.providers.map((provider) => [provider.name, provider.pricedAs]));
	const priceOf = (provider: string, model: string): PriceLine | undefined => {
		const [deployment] = Object.hasOwn(aliases, model) ? (aliases[model] ?? []) : [];
		if (deployment === undefined) return book.find(pricedAs.get(provider) ?? provider, model);
		return book.find(pricedAs.get(deployment.provider) ?? deployment.provider, deployment.pricedAsModel);
	};
	return ({ teamId, provider, model, pricedModel }) => {
		const line = book.find(pricedAs.get(provider) ?? provider, pricedModel);
		const byPolicy = degraded.find((row) => (row.teamId === null || row.teamId === teamId) && ownValue(row.degradeTo, model) !== undefined);
		const candidates = [
			["asked", ownValue(asked, model)],
			["policy", byPolicy && ownValue(byPolicy.degradeTo, model)],
			["table", ownValue(table[line?.provider ?? ""] ?? {}, pricedModel)],
		] as const;
		for (const [chosenBy, name] of candidates) {
			const cheaper = name === undefined ? undefined : priceOf(provider, name);
			if (name !== undefined && cheaper !== undefined && cheaper.kind === "chat" && cheaper.protocol === line?.protocol)
				return { model: name, chosenBy, line: cheaper };
		}
		return undefined;
	};
}

function ownValue(values: Readonly<Record<string, string>>, name: string): string | undefined {
	return Object.hasOwn(values, name) ? values[name] : undefined;
}
