import { z } from "zod";
import { EXCESS_DIMENSIONS, EXCESS_MOVEMENTS } from "#domain/anomaly/explain-excess.ts";
import { isStorableText, STORABLE_TEXT_RULE } from "#domain/text/storable-text.ts";
import { nanoUsd, text } from "./administration-contract.ts";

/** Forecasts and anomalies of the administration API. Days are like 2026-11-01: of a team on its own calendar, of a feature those of UTC. */

const by = z.enum(["team", "feature"]).default("team").describe("one row for each team, or for each feature of each team");
const format = z.enum(["json", "csv"]).default("json");
const feature = z
	.string()
	.max(200)
	.refine(isStorableText, STORABLE_TEXT_RULE)
	.optional()
	.describe('with by=feature: of one feature alone; "" is what is attributed to none');

export const ForecastQuery = z.strictObject({
	by,
	month: z.string().optional().describe("like 2026-11, from a year ago to two months ahead; default the running month"),
	asOf: z.string().optional().describe("a day like 2026-11-12: as it was forecast, or would have been, on its morning; default now"),
	format,
	teamId: text.optional(),
	feature,
});

export const AnomalyQuery = z.strictObject({
	by,
	from: z.string().optional().describe("a day like 2026-11-01; default 30 days ago"),
	to: z.string().optional().describe("a day, exclusive; default: today is in it"),
	format,
	teamId: text.optional(),
	feature,
});

const day = z.string().describe("like 2026-11-01");

const series = {
	teamId: z.string(),
	feature: z.string().nullable().optional().describe("with by=feature; null: not attributed"),
	timeZone: z.string().describe("whose days these are"),
};

export const Forecast = z.object({
	...series,
	month: z.string(),
	daysOver: z.int().describe("of the month; they are known"),
	daysOfMonth: z.int(),
	method: z.enum(["model", "run_rate", "known"]).describe("run_rate: less than 14 days are known; known: the month is over"),
	confidence: z.enum(["normal", "low"]),
	isRecentChange: z.boolean().describe("the level changed so lately that earlier forecasts say nothing of the error of this one"),
	knownNanoUsd: nanoUsd.describe("spent on the days that are over"),
	expectedNanoUsd: nanoUsd.describe("of the whole month: as likely above as below"),
	low80NanoUsd: nanoUsd,
	high80NanoUsd: nanoUsd.describe("four of five months end between low80NanoUsd and this"),
	low95NanoUsd: nanoUsd,
	high95NanoUsd: nanoUsd,
	budget: z
		.object({
			amountNanoUsd: nanoUsd,
			aboveBasisPoints: z.int().describe("how likely the month ends above it, in hundredths of a percent"),
			crossedOn: day.nullable().describe("by then half of the forecast's paths have crossed it; null: fewer do this month"),
			crossedEarlyOn: day.nullable().describe("by then one path in ten has"),
		})
		.nullable()
		.describe("the budget in money that renews monthly, with raises in force; null: there is none"),
});

export const ForecastReport = z.object({
	by: z.enum(["team", "feature"]),
	rows: z.array(Forecast).describe("the dearest first, at most 100"),
	leftOut: z.int().describe("so many more there were: ask for one team"),
	isComplete: z.boolean().describe("false: of the newest calls some are not counted yet"),
});

export const Anomaly = z.object({
	...series,
	day,
	kind: z.enum(["spike", "drift"]),
	since: day.describe("when it began; of a spike the day itself"),
	spentNanoUsd: nanoUsd,
	expectedNanoUsd: nanoUsd,
	z: z.number().describe("how many usual deviations the day is above what was expected"),
	cause: z
		.object({
			groups: z
				.partialRecord(z.enum(EXCESS_DIMENSIONS), z.string().nullable())
				.describe("the narrowest part that explains four fifths of the excess; empty: none is narrower than all"),
			amountNanoUsd: nanoUsd,
			usualNanoUsd: nanoUsd.describe("mean of the same weekday of up to six weeks before it began"),
			excessNanoUsd: nanoUsd,
			movements: z.record(z.enum(EXCESS_MOVEMENTS), nanoUsd).describe("what the excess is made of; they add up to it"),
			largest: z.enum(EXCESS_MOVEMENTS),
		})
		.nullable(),
});

export const AnomalyReport = z.object({
	by: z.enum(["team", "feature"]),
	rows: z.array(Anomaly).describe("the newest first"),
	leftOut: z.int().describe("so many series more there were: ask for one team"),
	isComplete: z.boolean().describe("false: of the newest calls some are not counted yet"),
});
