import type { Queryable } from "#activities/keys/port.ts";
import { countSpend } from "#activities/spend/count-spend.ts";
import { monthSpan } from "#domain/chargeback/month.ts";
import type { ChargebackRules } from "#domain/chargeback/rules.ts";
import { chargeTeam, type SpendLine, type Standing, type StatementLine, shareOut, stateOwn } from "#domain/chargeback/statement.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import type { BeginDraftInput, BegunDraft, DecidedMonth, DecideMonthInput, DraftInput, RemindInput } from "./port.ts";
import { readRules } from "./rules.ts";

/** How a month is stated in PostgreSQL (migrations/0034): team after team, in batches of one statement each. */
export const TEAMS_AT_ONCE = 50;
const CHUNKS_AT_ONCE = 5_000;
const CHARGES_AT_ONCE = 500;
const STANDINGS_AT_ONCE = 1_000;

/** What the ledger holds is counted first. @throws CostControlError "authority.unreachable" while another process counts. */
export async function beginDraft(database: Queryable, { month, run, by }: BeginDraftInput): Promise<BegunDraft> {
	await countAll(database);
	const { revision, rules } = await readRules(database);
	const { startsAtMs, endsAtMs } = monthSpan(month, rules.timeZone);
	const { rows } = await database.query<{ begun: Begun }>("SELECT tollgate.begin_statement_draft($1, $2, $3, $4, $5, $6, $7) AS begun", [
		...[firstDay(month), run, by, new Date(startsAtMs).toISOString(), new Date(endsAtMs).toISOString(), revision, JSON.stringify(rules)],
	]);
	const begun = rows[0]?.begun ?? { outcome: "closed" };
	if (begun.outcome !== "begun") return begun.outcome === "closed" ? { outcome: "closed" } : begun;
	const { approval, remindAfterHours } = begun.rules;
	return { outcome: "begun", draft: begun.draft, needsApproval: approval === "required", remindAfterHours };
}

async function countAll(database: Queryable): Promise<void> {
	for (;;) {
		const { isComplete, chunks } = await countSpend(database, CHUNKS_AT_ONCE);
		if (isComplete) return;
		if (chunks === 0) throw new CostControlError("authority.unreachable", "what was spent is being counted by another process");
	}
}

type Begun =
	| { readonly outcome: "begun"; readonly draft: number; readonly rules: ChargebackRules }
	| { readonly outcome: "closed" }
	| { readonly outcome: "unfinished"; readonly endsAt: string };

/** What every team has of its own. Statements that are there are left as they are. */
export async function writeDraft(database: Queryable, of: DraftInput): Promise<void> {
	const rules = await rulesOf(database, of);
	for (let after = ""; ; ) {
		const accounts = await accountsAfter(database, after);
		if (accounts.length === 0) return;
		const { rows } = await database.query<SpendRow>("SELECT * FROM tollgate.spend_to_state($1, $2, $3)", [
			...keyOf(of),
			accounts.map(({ account }) => account),
		]);
		const byTeam = Map.groupBy(rows, ({ teamId }) => teamId);
		const statements = [...byTeam].map(([teamId, spend]) => toStatement(teamId, spend.map(toSpendLine), rules));
		if (statements.length > 0) await database.query("SELECT tollgate.write_statements($1, $2, $3)", [...keyOf(of), JSON.stringify(statements)]);
		after = accounts.at(-1)?.account ?? "";
	}
}

/** Splits what is shared, and charges every team: with margins, and what it takes of each pool. Teams that are charged stay as they are. */
export async function shareDraft(database: Queryable, of: DraftInput): Promise<void> {
	const rules = await rulesOf(database, of);
	const standings = await readStandings(database, of);
	const shares = shareOut(standings, rules);
	const stated = new Set(standings.map(({ teamId }) => teamId));
	// Who spent nothing, and takes a share.
	const receivers = [...shares.keys()].filter((teamId) => !stated.has(teamId)).map((teamId) => ({ teamId, ownNanoUsd: 0n, pooled: new Map<string, bigint>() }));
	for (const some of chunked(receivers, CHARGES_AT_ONCE)) {
		await database.query("SELECT tollgate.write_statements($1, $2, $3)", [
			...keyOf(of),
			JSON.stringify(some.map(({ teamId }) => toStatement(teamId, [], rules))),
		]);
	}
	for (const some of chunked([...standings, ...receivers], CHARGES_AT_ONCE)) {
		const charges = some.map((standing) => {
			const { lines, costNanoUsd, marginNanoUsd } = chargeTeam(standing, shares.get(standing.teamId) ?? new Map(), rules);
			return { teamId: standing.teamId, costNanoUsd: costNanoUsd.toString(), marginNanoUsd: marginNanoUsd.toString(), lines: lines.map(toRow) };
		});
		await database.query("SELECT tollgate.charge_statements($1, $2, $3)", [...keyOf(of), JSON.stringify(charges)]);
	}
}

/** The draft is shown from now on. Fails where the statements are not what the ledger has. */
export async function finishDraft(database: Queryable, of: DraftInput): Promise<void> {
	await database.query("SELECT tollgate.finish_statement_draft($1, $2)", keyOf(of));
}

export async function decideMonth(database: Queryable, { isClosed, by, reason, ...of }: DecideMonthInput): Promise<DecidedMonth> {
	const { rows } = await database.query<{ decided: DecidedMonth }>("SELECT tollgate.decide_statement_month($1, $2, $3, $4, $5) AS decided", [
		...[...keyOf(of), isClosed, by, reason],
	]);
	return rows[0]?.decided ?? { outcome: "superseded" };
}

/** False: nothing waits there, or it was told already. */
export async function askApproval(database: Queryable, { reminder, ...of }: RemindInput): Promise<boolean> {
	const { rows } = await database.query<{ told: boolean }>("SELECT tollgate.ask_statement_approval($1, $2, $3) AS told", [...keyOf(of), reminder]);
	return rows[0]?.told ?? false;
}

/** Finished months up to this one that were never stated. */
export async function monthsToClose(database: Queryable, month: string): Promise<string[]> {
	const { rows } = await database.query<{ month: string }>("SELECT tollgate.months_to_close($1) AS month", [firstDay(month)]);
	return rows.map((row) => row.month);
}

export function firstDay(month: string): string {
	return `${month}-01`;
}

function keyOf({ month, draft }: DraftInput): [string, number] {
	return [firstDay(month), draft];
}

async function rulesOf(database: Queryable, of: DraftInput): Promise<ChargebackRules> {
	const { rows } = await database.query<{ rules: ChargebackRules }>("SELECT rules FROM tollgate.statement_draft WHERE month = $1 AND draft = $2", keyOf(of));
	if (rows[0] === undefined) throw new CostControlError("admin.not_found", `There is no draft ${of.draft} of month ${of.month}.`);
	return rows[0].rules;
}

async function accountsAfter(database: Queryable, after: string): Promise<{ readonly account: string }[]> {
	return (await database.query<{ account: string }>("SELECT account FROM tollgate.accounts_to_state($1, $2)", [after, TEAMS_AT_ONCE])).rows;
}

type SpendRow = Record<"teamId" | "provider" | "feature" | "userId" | "model" | "keyId" | "environment", string> &
	Record<"calls" | "inputTokens" | "outputTokens" | "amountNanoUsd", string> & { readonly ofMonth: string | null };

function toSpendLine({ calls, inputTokens, outputTokens, amountNanoUsd, ...row }: SpendRow): SpendLine {
	return { ...row, calls: BigInt(calls), inputTokens: BigInt(inputTokens), outputTokens: BigInt(outputTokens), amountNanoUsd: BigInt(amountNanoUsd) };
}

function toStatement(teamId: string, spend: readonly SpendLine[], rules: ChargebackRules) {
	const { lines, ownNanoUsd, pooled } = stateOwn(teamId, spend, rules);
	const sum = (measure: "calls" | "inputTokens" | "outputTokens") => spend.reduce((total, line) => total + line[measure], 0n).toString();
	return {
		...{ teamId, calls: sum("calls"), inputTokens: sum("inputTokens"), outputTokens: sum("outputTokens"), ownNanoUsd: ownNanoUsd.toString() },
		pooled: Object.fromEntries([...pooled].map(([pool, amount]) => [pool, amount.toString()])),
		lines: lines.map(toRow),
	};
}

/** As write_statements reads it. */
function toRow({ kind, feature, userId, model, provider, ofMonth, pool, calls, inputTokens, outputTokens, amountNanoUsd }: StatementLine) {
	return [kind, feature, userId, model, provider, ofMonth, pool, ...[calls, inputTokens, outputTokens, amountNanoUsd].map(String)];
}

const STANDINGS = `
	SELECT s.team_id AS "teamId", s.own_nano_usd::text AS "ownNanoUsd", coalesce(jsonb_object_agg(p.pool, p.amount_nano_usd::text) FILTER (WHERE p.pool IS NOT NULL), '{}') AS pooled
	FROM (SELECT * FROM tollgate.statement WHERE month = $1 AND draft = $2 AND own_lines > 0 AND team_id > $3 ORDER BY team_id LIMIT $4) s
	LEFT JOIN tollgate.statement_pooled p ON p.month = s.month AND p.draft = s.draft AND p.team_id = s.team_id
	GROUP BY s.team_id, s.own_nano_usd ORDER BY s.team_id`;

/** Of those that spent: who only takes a share must not count among them when this is done again. */
async function readStandings(database: Queryable, of: DraftInput): Promise<Standing[]> {
	const standings: Standing[] = [];
	for (let after = ""; ; ) {
		const { rows } = await database.query<{ teamId: string; ownNanoUsd: string; pooled: Record<string, string> }>(STANDINGS, [
			...keyOf(of),
			after,
			STANDINGS_AT_ONCE,
		]);
		const read = rows.map(({ teamId, ownNanoUsd, pooled }) => ({
			...{ teamId, ownNanoUsd: BigInt(ownNanoUsd) },
			pooled: new Map(Object.entries(pooled).map(([pool, amount]) => [pool, BigInt(amount)])),
		}));
		standings.push(...read);
		if (rows.length < STANDINGS_AT_ONCE) return standings;
		after = rows.at(-1)?.teamId ?? "";
	}
}

function chunked<Item>(items: readonly Item[], most: number): Item[][] {
	return Array.from({ length: Math.ceil(items.length / most) }, (_, index) => items.slice(index * most, (index + 1) * most));
}
