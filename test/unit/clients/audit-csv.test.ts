import { expect, test } from "vitest";
import { auditToCsv } from "#clients/audit-csv.ts";

test("one line for each feature and model, names that look like formulas made harmless, nothing where no cheaper model is known", () => {
	const use = { provider: "openai", pricedModel: "gpt-4o", calls: 200, simpleCalls: 100, kinds: [] };
	const cheaper = {
		...{ model: "gpt-4o-mini", chosenBy: "table" as const, costNanoUsd: "900", cheaperNanoUsd: "100", savedNanoUsd: "800" },
		...{ monthly: { expectedNanoUsd: "857", lowNanoUsd: "700", highNanoUsd: "1000" }, retryShareMax: 0.5, isRecommended: true },
	};
	const csv = auditToCsv({
		...{ from: "2026-11-01", to: "2026-11-29", criteria: [], monthlySavingNanoUsd: "857", isComplete: true },
		uses: [
			{ ...use, teamId: "search", feature: "=1+1", model: "gpt-4o", cheaper },
			{ ...use, teamId: "search", feature: null, model: 'a "quoted", name' },
		],
	});
	expect(csv.split("\n")).toEqual([
		"teamId,feature,provider,model,calls,simpleCalls,cheaperModel,chosenBy,costNanoUsd,cheaperNanoUsd,savedNanoUsd,monthlyExpectedNanoUsd,monthlyLowNanoUsd,monthlyHighNanoUsd,retryShareMax,isRecommended",
		"search,'=1+1,openai,gpt-4o,200,100,gpt-4o-mini,table,900,100,800,857,700,1000,0.5,true",
		'search,,openai,"a ""quoted"", name",200,100,,,,,,,,,,',
		"",
	]);
});
