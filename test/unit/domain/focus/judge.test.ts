import { describe, expect, test } from "vitest";
import { EXPORTED_COLUMNS, type FocusCharge, toFocusRow } from "#domain/focus/charge.ts";
import { FOCUS_COLUMNS } from "#domain/focus/columns.ts";
import { type FocusRow, judgeColumns, judgeRow } from "#domain/focus/judge.ts";

const CHARGE: FocusCharge = {
	...{
		kind: "usage",
		teamId: "search",
		provider: "openai",
		model: "gpt-4o",
		askedModel: "gpt-4o",
		feature: "chat",
		userId: null,
		keyId: "key_1",
		environment: "prod",
		runId: null,
	},
	...{ calls: "3", inputTokens: "300", outputTokens: "15", amountNanoUsd: "900000000" },
};
const PERIOD = { day: "2026-10-05", billingAccount: "organization" };
const row = (change: Partial<FocusCharge> = {}) => toFocusRow({ ...CHARGE, ...change }, PERIOD);
const said = (of: FocusRow) => judgeRow(of).map(({ column, problem }) => `${column} ${problem}`);

describe("what we export", () => {
	test("has every mandatory column, and nothing but columns of FOCUS and our own", () => {
		expect(judgeColumns(EXPORTED_COLUMNS)).toEqual([]);
		expect(Object.keys(row()).sort()).toEqual([...EXPORTED_COLUMNS].sort());
	});

	test.each<[string, Partial<FocusCharge>]>([
		["a call", {}],
		["a correction of an earlier month", { kind: "adjustment", calls: "0", inputTokens: "0", outputTokens: "0", amountNanoUsd: "-1" }],
		[
			"money of a lost gateway",
			{ model: null, askedModel: null, feature: null, keyId: null, environment: null, calls: "0", inputTokens: "0", outputTokens: "0" },
		],
		["money that no team stands for", { teamId: null }],
		["names that are no names", { teamId: "=1+1", feature: '"},{', userId: "<b>" }],
	])("is FOCUS: %s", (_name, change) => {
		expect(said(row(change))).toEqual([]);
	});

	test("says what was spent, on what, by whom", () => {
		expect(row()).toMatchObject({
			...{ BilledCost: "0.90", EffectiveCost: "0.90", BillingPeriodStart: "2026-10-01T00:00:00Z", BillingPeriodEnd: "2026-11-01T00:00:00Z" },
			...{
				ChargePeriodStart: "2026-10-05T00:00:00Z",
				ChargePeriodEnd: "2026-10-06T00:00:00Z",
				ChargeCategory: "Usage",
				ConsumedQuantity: "315",
				ConsumedUnit: "Tokens",
			},
			...{
				SkuId: "openai/gpt-4o",
				SubAccountId: "search",
				SubAccountType: "Team",
				Tags: '{"team":"search","feature":"chat","environment":"prod","key":"key_1"}',
			},
		});
		expect(row({ kind: "adjustment" })).toMatchObject({ ChargeCategory: "Adjustment", ChargeClass: "Correction", ConsumedQuantity: null, PricingUnit: null });
	});
});

test.each(Object.entries(FOCUS_COLUMNS).filter(([, { level }]) => level === "Mandatory"))("a file without %s is told so", (column) => {
	expect(judgeColumns(EXPORTED_COLUMNS.filter((name) => name !== column))).toEqual([{ column, problem: "is mandatory and missing" }]);
});

test("a foreign column, and one that stands twice, are told", () => {
	expect(judgeColumns([...EXPORTED_COLUMNS, "Team", "x_Team", "Tags"])).toEqual([
		{ column: "Tags", problem: "stands twice" },
		{ column: "Team", problem: "is no column of FOCUS 1.2; one of your own begins with x_" },
	]);
});

describe("a row", () => {
	test.each<[FocusRow, string]>([
		[{ BilledCost: null }, "BilledCost is null, and must not be"],
		[{ BilledCost: "1,000" }, 'BilledCost is "1,000", and must be a decimal number like -3.5'],
		[{ BilledCost: "+1" }, 'BilledCost is "+1", and must be a decimal'],
		[{ BilledCost: "35.2E+7" }, 'BilledCost is "35.2E+7", and must be a decimal'],
		[{ BilledCost: Number.NaN }, "BilledCost is NaN, and must be a decimal"],
		[{ BillingCurrency: "dollars" }, 'BillingCurrency is "dollars", and must be a currency like USD'],
		[{ BillingPeriodEnd: "2026-11-01" }, 'BillingPeriodEnd is "2026-11-01", and must be a time'],
		[{ ChargePeriodStart: "2026-10-05T00:00:00+02:00" }, "ChargePeriodStart is"],
		[{ ChargePeriodEnd: "2026-10-05T00:00:00Z" }, 'ChargePeriodEnd is "2026-10-05T00:00:00Z", and must be after ChargePeriodStart'],
		[{ ChargeCategory: "usage" }, 'ChargeCategory is "usage", and must be one of Usage, Purchase'],
		[{ ChargeClass: "correction" }, 'ChargeClass is "correction", and must be one of Correction'],
		[{ ServiceCategory: "AI" }, 'ServiceCategory is "AI", and must be one of AI and Machine Learning'],
		[{ ProviderName: " " }, "ProviderName is empty, and must not be"],
		[{ ProviderName: 3 }, "ProviderName is 3, and must be a text"],
		[{ Tags: "[1]" }, 'Tags is "[1]", and must be a JSON object'],
		[{ Tags: '{"team":{"a":1}}' }, "Tags is"],
		[{ Tags: "{" }, 'Tags is "{", and must be a JSON object'],
		[{ ListUnitPrice: "-1" }, 'ListUnitPrice is "-1", and must not be negative'],
		[{ PricingQuantity: null, PricingUnit: null }, "PricingQuantity is null, and must not be where ChargeCategory is Usage"],
		[{ SkuId: null, SkuMeter: null }, "SkuId is null, and must not be where ChargeCategory is Usage"],
		[{ PricingUnit: null }, "PricingUnit is null, and must not be where PricingQuantity has a value"],
		[{ ConsumedQuantity: null, ConsumedUnit: null }, "ConsumedQuantity is null, and must not be where ChargeCategory is Usage"],
		[{ SubAccountType: null }, "SubAccountType is null, and must not be where SubAccountId has a value"],
		[{ ChargeFrequency: null }, "ChargeFrequency is null, and must not be"],
	])("with %j is told so", (change, problem) => {
		expect(said({ ...row(), ...change })).toEqual([expect.stringContaining(problem)]);
	});

	test("of a tax has no price, of a purchase is nothing used", () => {
		expect(said({ ...row(), ChargeCategory: "Tax", ConsumedQuantity: null, ConsumedUnit: null, SkuMeter: null })).toEqual([
			...["PricingCategory", "PricingQuantity", "SkuId", "SkuPriceId"].map((column) => `${column} has a value, and must be null where ChargeCategory is Tax`),
		]);
		expect(said({ ...row(), ChargeCategory: "Purchase", ChargeFrequency: "One-Time" })).toEqual([
			"ConsumedQuantity has a value, and must be null where nothing was used",
		]);
	});

	test("is judged by what the file has, and by values as Parquet has them", () => {
		const { ConsumedQuantity: _quantity, ConsumedUnit: _unit, ...rest } = row();
		const parquet = { BilledCost: 0.9, ListCost: 1n, BillingPeriodEnd: new Date("2026-11-01T00:00:00Z"), Tags: { team: "search", n: 1n } };
		expect(said({ ...rest, ...parquet })).toEqual([]);
		expect(said({ ...rest, BillingPeriodEnd: new Date(Number.NaN) })).toEqual(["BillingPeriodEnd is no time"]);
	});
});
