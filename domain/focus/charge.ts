import { formatUsd } from "../money/wire.ts";
import type { FocusRow } from "./judge.ts";

/** What was spent, as rows of FOCUS 1.2. A row is a team's spend of one day by provider, model, feature, user, key and environment, and by run where wanted. */
export type FocusCharge = {
	/** `adjustment`: booked for an earlier month. */
	readonly kind: "usage" | "adjustment";
	/** null: no team stands for it; of the others: not attributed. */
	readonly teamId: string | null;
	readonly provider: string;
	readonly model: string | null;
	readonly askedModel: string | null;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly keyId: string | null;
	readonly environment: string | null;
	readonly runId: string | null;
	/** Decimal strings. */
	readonly calls: string;
	readonly inputTokens: string;
	readonly outputTokens: string;
	readonly amountNanoUsd: string;
};

export type FocusPeriod = { /** Like "2026-10-05"; days are UTC's. */ readonly day: string; readonly billingAccount: string };

const DAY_MS = 86_400_000;

/** In the order of the file: those of FOCUS by name, then our own. */
export const EXPORTED_COLUMNS = [
	...["BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass"],
	...["ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost"],
	...["InvoiceId", "InvoiceIssuerName", "ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ResourceId"],
	...[
		"ResourceName",
		"ResourceType",
		"ServiceCategory",
		"ServiceName",
		"ServiceSubcategory",
		"SkuId",
		"SkuMeter",
		"SkuPriceId",
		"SubAccountId",
		"SubAccountName",
	],
	...["SubAccountType", "Tags", "x_AskedModel", "x_Calls", "x_Environment", "x_Feature", "x_InputTokens", "x_KeyId", "x_Model", "x_OutputTokens", "x_RunId"],
	...["x_TeamId", "x_UserId"],
] as const;
export type ExportedColumn = (typeof EXPORTED_COLUMNS)[number];

/** Costs and quantities as decimal text, times as ISO 8601, tags as JSON. Money without a model (a lost gateway's) has no quantity: it is an adjustment. */
export function toFocusRow(charge: FocusCharge, { day, billingAccount }: FocusPeriod): Record<ExportedColumn, string | null> & FocusRow {
	const { teamId, provider, model, askedModel, feature, userId, keyId, environment, runId, calls, inputTokens, outputTokens } = charge;
	const startsAtMs = Date.parse(`${day}T00:00:00Z`);
	const [year = 0, month = 1] = day.split("-").map(Number);
	const cost = formatUsd(BigInt(charge.amountNanoUsd));
	const isUsage = charge.kind === "usage" && model !== null;
	const tokens = isUsage ? (BigInt(inputTokens) + BigInt(outputTokens)).toString() : null;
	const sku = model === null ? null : `${provider}/${model}`;
	return {
		...{ BilledCost: cost, ContractedCost: cost, EffectiveCost: cost, ListCost: cost, BillingCurrency: "USD" },
		...{ BillingAccountId: billingAccount, BillingAccountName: billingAccount, InvoiceId: null, InvoiceIssuerName: provider },
		...{ BillingPeriodStart: instant(Date.UTC(year, month - 1)), BillingPeriodEnd: instant(Date.UTC(year, month)) },
		...{ ChargePeriodStart: instant(startsAtMs), ChargePeriodEnd: instant(startsAtMs + DAY_MS) },
		...{ ChargeCategory: isUsage ? "Usage" : "Adjustment", ChargeClass: charge.kind === "adjustment" ? "Correction" : null },
		...{ ChargeDescription: describe(charge), ChargeFrequency: isUsage ? "Usage-Based" : "One-Time", PricingCategory: isUsage ? "Standard" : null },
		...{ ConsumedQuantity: tokens, ConsumedUnit: unitOf(tokens), PricingQuantity: tokens, PricingUnit: unitOf(tokens) },
		...{
			ProviderName: provider,
			PublisherName: provider,
			ServiceName: provider,
			ServiceCategory: "AI and Machine Learning",
			ServiceSubcategory: "Generative AI",
		},
		...{
			ResourceId: model,
			ResourceName: model,
			ResourceType: model === null ? null : "Model",
			SkuId: sku,
			SkuPriceId: sku,
			SkuMeter: sku === null ? null : "Tokens",
		},
		...{ SubAccountId: teamId, SubAccountName: teamId, SubAccountType: teamId === null ? null : "Team" },
		Tags: tagsOf({ team: teamId, feature, user: userId, environment, key: keyId }),
		...{ x_TeamId: teamId, x_Model: model, x_AskedModel: askedModel, x_Feature: feature, x_UserId: userId, x_KeyId: keyId, x_Environment: environment },
		...{ x_RunId: runId, x_Calls: calls, x_InputTokens: inputTokens, x_OutputTokens: outputTokens },
	};
}

function instant(epochMs: number): string {
	return `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
}

function unitOf(quantity: string | null): string | null {
	return quantity === null ? null : "Tokens";
}

function describe({ kind, calls, model, provider }: FocusCharge): string {
	if (kind === "adjustment") return `Correction of an earlier month, ${model ?? "money without a model"} at ${provider}`;
	return model === null ? `Money without a known call at ${provider}` : `${calls} calls of ${model} at ${provider}`;
}

function tagsOf(tags: Readonly<Record<string, string | null>>): string {
	return JSON.stringify(Object.fromEntries(Object.entries(tags).filter(([, value]) => value !== null)));
}
