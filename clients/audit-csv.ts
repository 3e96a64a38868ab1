import { stringify } from "csv-stringify/sync";
import type { z } from "zod";
import type { ModelAudit } from "./audit-contract.ts";
import { csvText } from "./csv-text.ts";

const COLUMNS = [
	...["teamId", "feature", "provider", "model", "calls", "simpleCalls", "cheaperModel", "chosenBy", "costNanoUsd", "cheaperNanoUsd", "savedNanoUsd"],
	...["monthlyExpectedNanoUsd", "monthlyLowNanoUsd", "monthlyHighNanoUsd", "retryShareMax", "isRecommended"],
];

/** An audit as CSV (RFC 4180, with a line of names), one line for each feature and model; amounts in nano-USD. */
export function auditToCsv({ uses }: z.output<typeof ModelAudit>): string {
	const records = uses.map(({ teamId, feature, provider, model, calls, simpleCalls, cheaper }) => ({
		...{ teamId: csvText(teamId), feature: csvText(feature), provider: csvText(provider), model: csvText(model), calls, simpleCalls },
		...(cheaper && {
			...{ cheaperModel: csvText(cheaper.model), chosenBy: cheaper.chosenBy, costNanoUsd: cheaper.costNanoUsd, cheaperNanoUsd: cheaper.cheaperNanoUsd },
			...{ savedNanoUsd: cheaper.savedNanoUsd, monthlyExpectedNanoUsd: cheaper.monthly.expectedNanoUsd, monthlyLowNanoUsd: cheaper.monthly.lowNanoUsd },
			...{ monthlyHighNanoUsd: cheaper.monthly.highNanoUsd, retryShareMax: cheaper.retryShareMax, isRecommended: String(cheaper.isRecommended) },
		}),
	}));
	return stringify(records, { header: true, columns: COLUMNS });
}
