import type { Findings } from "./report.ts";
import type { Snapshot } from "./snapshot.ts";

/** Every attempt is one entry with two accounts; totals are counted on the way. */
export type EntryTally = {
	readonly attempts: number;
	readonly entries: number;
	/** As the leases show it; see `OVERRUN`. */
	readonly overrunNanoUsd: bigint;
	readonly estimated: number;
	readonly unresolved: number;
};

const CHARGED_TWICE = `
	SELECT attempt_id, count(*) AS entries FROM tollgate.entry
	WHERE kind IN ('charge', 'unresolved', 'estimated') AND attempt_id IS NOT NULL
	GROUP BY attempt_id HAVING count(*) > 1 ORDER BY attempt_id`;

const ATTEMPTED_TWICE = "SELECT attempt_id, count(*) AS rows FROM tollgate.attempt GROUP BY attempt_id HAVING count(*) > 1 ORDER BY attempt_id";

const ATTEMPTS_AGAINST_ENTRIES = `
	SELECT coalesce(a.attempt_id, e.attempt_id, e.entry_key) AS attempt_id, a.attempt_id IS NULL AS lacks_attempt, e.entry_key IS NULL AS lacks_entry,
	       a.cost_nano_usd, e.amount_nano_usd, a.outcome, e.kind, a.team_id, e.debit_account, a.provider, e.credit_account
	FROM tollgate.attempt a
	FULL JOIN (SELECT * FROM tollgate.entry WHERE kind IN ('charge', 'unresolved', 'estimated')) e ON e.attempt_id = a.attempt_id
	WHERE a.attempt_id IS NULL OR e.entry_key IS NULL
	   OR (a.cost_nano_usd, 'team/' || a.team_id, 'provider/' || a.provider, a.gateway_id, a.epoch, a.price_version, a.attempt_id)
	      IS DISTINCT FROM (e.amount_nano_usd, e.debit_account, e.credit_account, e.gateway_id, e.epoch, e.price_version, e.entry_key)
	   OR e.kind <> CASE a.outcome WHEN 'settled' THEN 'charge' WHEN 'estimated' THEN 'estimated' ELSE 'unresolved' END
	ORDER BY 1`;

const KEYS_AGAINST_ENTRIES = `
	SELECT coalesce(k.entry_key, e.entry_key) AS entry_key, k.entry_key IS NULL AS lacks_key, k.archived_month IS NOT NULL AS is_archived, e.entries
	FROM tollgate.entry_key k
	FULL JOIN (SELECT entry_key, count(*) AS entries FROM tollgate.entry GROUP BY entry_key) e USING (entry_key)
	WHERE k.entry_key IS NULL OR (e.entry_key IS NULL) <> (k.archived_month IS NOT NULL) OR e.entries > 1
	ORDER BY 1`;

const ODD_ENTRIES = `
	SELECT entry_key, kind, amount_nano_usd, debit_account, credit_account FROM tollgate.entry
	WHERE (debit_account NOT LIKE 'team/_%' AND (debit_account <> 'organization' OR attempt_id IS NOT NULL))
	   OR credit_account NOT LIKE 'provider/_%' OR (amount_nano_usd < 0 AND kind <> 'adjustment')
	ORDER BY entry_key`;

/**
 * What calls cost beyond what was ever granted for them. A call stands in each of its team's windows: the
 * greatest sum over a team's budgets of one kind (all its users by the day, say) counts each of its calls once. Runs stand in each other: they
 * count where the team has nothing else.
 */
const OVERRUN = `
	WITH kinds AS (
		SELECT b.team_id, b.dimension = 'run' AS is_of_run, greatest(0, sum(l.overrun)) AS overrun
		FROM tollgate.lease l JOIN tollgate.budget_window w ON w.id = l.window_id JOIN tollgate.budget b ON b.id = w.budget_id
		WHERE b.unit = 'nano_usd' GROUP BY b.team_id, b.dimension, b.window_kind
	), teams AS (
		SELECT team_id, coalesce(max(overrun) FILTER (WHERE NOT is_of_run), max(overrun)) AS overrun FROM kinds GROUP BY team_id
	)
	SELECT greatest(coalesce(sum(overrun) FILTER (WHERE team_id IS NOT NULL), 0), coalesce(max(overrun) FILTER (WHERE team_id IS NULL), 0)) AS overrun FROM teams`;

/** An unresolved or estimated charge is resolved by an adjustment that says so; a lump likewise, or by itself where it was posted at the logged cost. */
const TALLY = `
	SELECT (SELECT count(*) FROM tollgate.attempt) AS attempts,
	       (SELECT count(*) FROM tollgate.entry) AS entries,
	       count(*) FILTER (WHERE e.kind = 'estimated') AS estimated,
	       count(*) FILTER (WHERE e.kind IN ('unresolved', 'lump')) AS unresolved
	FROM tollgate.entry e
	WHERE e.kind IN ('estimated', 'unresolved', 'lump')
	  AND NOT EXISTS (SELECT 1 FROM tollgate.entry r WHERE (r.kind = 'adjustment' OR r.entry_key = e.entry_key) AND r.detail->>'resolves' = e.entry_key)`;

export async function judgeEntries(snapshot: Snapshot, findings: Findings): Promise<EntryTally> {
	for await (const row of snapshot.rows<{ attempt_id: string; entries: string }>(CHARGED_TWICE)) {
		findings.add("duplicated", `attempt ${row.attempt_id}`, `is charged by ${row.entries} entries`);
	}
	for await (const row of snapshot.rows<{ attempt_id: string; rows: string }>(ATTEMPTED_TWICE)) {
		findings.add("duplicated", `attempt ${row.attempt_id}`, `has ${row.rows} attempt rows`);
	}
	for await (const row of snapshot.rows<Record<string, string | boolean | null>>(ATTEMPTS_AGAINST_ENTRIES)) {
		findings.add("entry", `attempt ${String(row["attempt_id"])}`, disagreement(row));
	}
	for await (const row of snapshot.rows<{ entry_key: string; lacks_key: boolean; is_archived: boolean | null; entries: string | null }>(KEYS_AGAINST_ENTRIES)) {
		findings.add(
			"entry",
			`entry ${row.entry_key}`,
			row.lacks_key
				? "has no idempotency key"
				: row.is_archived
					? "is archived, and stands in the ledger all the same"
					: row.entries === null
						? "has an idempotency key but no entry"
						: `exists ${row.entries} times under one idempotency key`,
		);
	}
	for await (const row of snapshot.rows<Record<string, string>>(ODD_ENTRIES)) {
		findings.add(
			"entry",
			`entry ${row["entry_key"]}`,
			`${row["kind"]} of ${row["amount_nano_usd"]} from ${row["credit_account"]} to ${row["debit_account"]} is no such posting`,
		);
	}
	const tally = await snapshot.one<{ attempts: string; entries: string; estimated: string; unresolved: string }>(TALLY);
	const { overrun } = await snapshot.one<{ overrun: string }>(OVERRUN);
	return {
		attempts: Number(tally.attempts),
		entries: Number(tally.entries),
		overrunNanoUsd: BigInt(overrun),
		estimated: Number(tally.estimated),
		unresolved: Number(tally.unresolved),
	};
}

function disagreement(row: Record<string, string | boolean | null>): string {
	if (row["lacks_attempt"]) return "has an entry but no attempt row";
	if (row["lacks_entry"]) return "has no entry";
	return `${row["outcome"]} at ${row["cost_nano_usd"]} for team ${row["team_id"]}, ${row["provider"]}; its entry is ${row["kind"]} of ${row["amount_nano_usd"]}, ${row["debit_account"]}, ${row["credit_account"]}`;
}
