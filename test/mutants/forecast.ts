import type { Mutant } from "./mutant.ts";

/** Rules of forecasts and anomalies, and that an anomaly is told once. */
const MONTH = "test/unit/domain/forecast/forecast-month.test.ts";
const DAYS = "test/unit/domain/anomaly/watch-days.test.ts";
const EXCESS = "test/unit/domain/anomaly/explain-excess.test.ts";
const COMMANDS = "test/integration/clients/command-line/forecasts.test.ts";
const TOLD = "test/integration/activities/watch-anomalies.test.ts";

export const FORECAST_MUTANTS: readonly Mutant[] = [
	{
		rule: "a forecast begins anew where the level has changed",
		file: "domain/forecast/day-model.ts",
		from: "const start = lastChange(flat);",
		to: "const start = lastChange(flat) * 0;",
		test: MONTH,
		titles: ["a step restarts it: what comes is of the new level, and that it is recent is said"],
	},
	{
		rule: "with less than 14 days a forecast is twice as unsure",
		file: "domain/forecast/forecast-total.ts",
		from: "pace * daysAhead + 2 * (drawn - pace * daysAhead)",
		to: "drawn",
		test: MONTH,
		titles: ["goes on at the pace so far, says so, and is twice as unsure as its days"],
	},
	{
		rule: "what came after a month is not forecast into it",
		file: "domain/forecast/forecast-month.ts",
		from: "facts.amountsNanoUsd.slice(0, Math.max(0, endsOn - firstDay))",
		to: "facts.amountsNanoUsd.slice(0)",
		test: MONTH,
		titles: ["a month that is over is known, one without any spend costs nothing"],
	},
	{
		rule: "a level that stays is expected after a week",
		file: "domain/anomaly/watch-days.ts",
		from: "this.#start = first;",
		to: "void first;",
		test: DAYS,
		titles: ["a spike after an accepted step, and one on top of a step that is new", "what became cheaper; what is dear beside the new level is"],
	},
	{
		rule: "the narrowest part that explains an excess is named",
		file: "domain/anomaly/explain-excess.ts",
		from: "dimensions.length > best.dimensions.length ||",
		to: "",
		test: EXCESS,
		titles: ["is named as narrowly as four fifths of the excess allow"],
	},
	{
		rule: "an anomaly of a feature is not told beside its team's",
		file: "migrations/0033_anomalies.sql",
		from: "ELSE t.detail ->> 'causeFeature' = coalesce(v_row.detail ->> 'feature', '') END",
		to: "ELSE false END",
		test: TOLD,
		titles: ["is told of the team once, with the feature, model and key that moved, and not once more of that feature"],
	},
	{
		rule: "a day above twice the expected is not told as an anomaly too",
		file: "migrations/0033_anomalies.sql",
		from: "THEN t.kind = 'spend.above_expected' ELSE",
		to: "THEN false ELSE",
		test: TOLD,
		titles: ["above twice what was expected is told as that alone, with its cause"],
	},
	{
		rule: "a month too far away is refused where nothing was spent, too",
		file: "activities/forecast/read-forecasts.ts",
		from: "if (series.length === 0) monthAndMorning(",
		to: "if (series.length < 0) monthAndMorning(",
		test: COMMANDS,
		titles: ["forecast --month 2999-01 --team quiet is refused", "forecast --as-of 2016-11-01 --team quiet is refused"],
	},
	{
		rule: "days too long ago are refused where nothing was spent, too",
		file: "activities/forecast/read-anomalies.ts",
		from: "if (series.length === 0) firstDayAsked(",
		to: "if (series.length < 0) firstDayAsked(",
		test: COMMANDS,
		titles: ["anomalies --from 2016-11-01 --team quiet is refused"],
	},
	{
		rule: "names in CSV of forecasts and anomalies are no formulas",
		file: "clients/forecast-csv.ts",
		from: "feature: csvText(row.feature)",
		to: "feature: row.feature",
		test: COMMANDS,
		titles: ["names of features stand as they are in the table and in JSON, and as no formula in CSV"],
	},
];
