import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { DEFAULT_RULES, type SharedPool, type Split } from "#domain/chargeback/rules.ts";
import { chargeTeam, type SpendLine, shareOut, stateOwn } from "#domain/chargeback/statement.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

type Example = {
	readonly rules: { readonly pools: readonly SharedPool[]; readonly unattributed: Split; readonly margins: Readonly<Record<string, number>> };
	readonly spent: Readonly<Record<string, string>>;
	readonly statements: Readonly<Record<string, Readonly<Record<string, string>>>>;
};

test("the example of docs/chargeback.md is computed as it says", () => {
	const [, json = ""] = /```json\n([\s\S]*?)\n```/.exec(readFileSync(path.join(PROJECT_FOLDER, "docs/chargeback.md"), "utf8")) ?? [];
	const { rules: given, spent, statements } = JSON.parse(json) as Example;
	const whole = <Of extends Split>(split: Of): Of => Object.assign({ among: null, shares: {} }, split);
	const rules = { ...DEFAULT_RULES, ...given, pools: given.pools.map((pool) => whole(pool)), unattributed: whole(given.unattributed) };
	const line = { feature: "", userId: "", model: "m", provider: "p", keyId: "", environment: "", calls: 1n, inputTokens: 0n, outputTokens: 0n, ofMonth: null };
	const own = Object.entries(spent).map(([teamId, amount]) =>
		stateOwn(teamId, [{ ...line, teamId, amountNanoUsd: BigInt(amount) } satisfies SpendLine], rules),
	);
	const shares = shareOut(own, rules);
	const computed = own.map((statement) => {
		const { costNanoUsd, marginNanoUsd, chargeNanoUsd } = chargeTeam(statement, shares.get(statement.teamId) ?? new Map(), rules);
		const ofPools = Object.fromEntries([...(shares.get(statement.teamId) ?? [])].map(([pool, amount]) => [pool, amount.toString()]));
		return [
			statement.teamId,
			{ own: `${statement.ownNanoUsd}`, ...ofPools, cost: `${costNanoUsd}`, margin: `${marginNanoUsd}`, charge: `${chargeNanoUsd}` },
		] as const;
	});
	expect(Object.fromEntries(computed)).toEqual(statements);
});
