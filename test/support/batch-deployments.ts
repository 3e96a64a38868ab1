import type { ItemRules } from "#activities/batches/lines/bound-items.ts";
import type { Deployment } from "#activities/providers/port.ts";
import type { BatchEndpoint } from "#domain/batching/batch.ts";
import type { LineForm } from "#domain/batching/line-problem.ts";
import { DEFAULT_TEAM_POLICY } from "#domain/budget/team-policy.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";
import { anthropic, openai, prices, USD } from "./bound-cases.ts";
import { FIELD_TABLES } from "./inspect.ts";

/** Lines with batch prices of half the standard ones. */
export const openAiBatchLine = (changes: Partial<PriceLine> = {}): PriceLine =>
	openai({ tiers: { ...openai().tiers, batch: [{ aboveInputTokens: 0, prices: prices(USD, 5n * USD) }] }, ...changes });
export const anthropicBatchLine = (): PriceLine =>
	anthropic({ tiers: { ...anthropic().tiers, batch: [{ aboveInputTokens: 0, prices: prices(2n * USD, 10n * USD) }] } });

export function batchDeployment(line: PriceLine, changes: Partial<Deployment> = {}): Deployment {
	const { provider, model, protocol } = line;
	return {
		name: `${provider}/${model}`,
		provider,
		protocol,
		origin: "http://127.0.0.1:1",
		model,
		pricedAs: { provider, model },
		paths: {},
		billedStatuses: [],
		hasStreamUsage: true,
		hasKnownEncoding: false,
		defaultTiers: ["standard"],
		tokenPermille: 1_000,
		enforcedCapFields: undefined,
		...changes,
	};
}

type Given = { readonly form?: LineForm; readonly endpoint?: BatchEndpoint; readonly line?: PriceLine; readonly deployment?: Partial<Deployment> };

/** A batch of team `t` whose earlier answers are `resp_ours`. */
export function itemRules({ form = "openai", endpoint = "chat.completions", line = openAiBatchLine(), deployment }: Given = {}): ItemRules {
	return {
		form,
		lineBytesMax: 1_000_000,
		endpoint,
		model: line.model,
		candidate: { deployment: batchDeployment(line, deployment), line },
		fieldTable: FIELD_TABLES[endpoint],
		policy: { ...DEFAULT_TEAM_POLICY },
		teamId: "t",
		feature: null,
		authority: {
			findUnknownAnswer: (_teamId, ids) => ids.find((id) => id !== "resp_ours"),
			findUnknownItem: (_teamId, ids) => ids[0],
		},
	};
}
