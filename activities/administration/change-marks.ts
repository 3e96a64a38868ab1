import type { Queryable } from "#activities/keys/port.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";

/** What pages show, by what a change of it is told as. */
export const CHANGE_TOPICS = ["spend", "budgets", "increases", "runs", "batches", "alerts", "reports", "statements", "policy", "keys", "prices"] as const;
export type ChangeTopic = (typeof CHANGE_TOPICS)[number];

/** `teamId` null: of everybody, or nobody can tell of whom; "@organization": of nobody's team. */
export type ChangeMark = { readonly topic: ChangeTopic; readonly teamId: string | null };

/**
 * What can be told apart of one look from the next, without looking at what did not change: the change log by its revision; calls and refusals of
 * the last seconds, counted by team; of batches, runs, alerts and reports the newest few hundred, which is what pages show, by sums that move with
 * every change; and months, of which there are few.
 */
export type ChangeMarks = {
	/** Of the change log, and what it holds beyond that of the look before. */
	readonly revision: string;
	readonly changes: readonly { readonly kind: string; readonly subject: string; readonly teamId: string | null }[];
	/** PostgreSQL's clock from which calls were counted, and how many there were from there, by team. */
	readonly countedFrom: string;
	readonly counted: ReadonlyMap<string, string>;
	/** Calls by team from where the look before counted: more than it found have come since. */
	readonly recounted: ReadonlyMap<string, string>;
	/** By topic and team. */
	readonly sums: ReadonlyMap<string, string>;
};

const CHANGES = `
	SELECT revision::text, kind, subject, detail ->> 'teamId' AS "teamId" FROM tollgate.change
	WHERE revision > coalesce($1::bigint, (SELECT max(revision) - 1 FROM tollgate.change)) ORDER BY revision LIMIT 1000`;

// A chunk is written down within seconds of the time it says; after a long silence of PostgreSQL nobody counts all of it.
const COUNTED_FROM = "greatest(least(coalesce($1::timestamptz, now()), now() - interval '5 seconds'), now() - interval '1 minute')";
const COUNTS = `
	WITH bounds AS (SELECT now() - interval '5 seconds' AS fresh, ${COUNTED_FROM} AS known),
	rows AS (
		SELECT 'spend' AS topic, a.team_id, a.at FROM tollgate.attempt a WHERE a.at > ${COUNTED_FROM}
		UNION ALL SELECT 'budgets', r.team_id, r.at FROM tollgate.refusal r WHERE r.at > ${COUNTED_FROM}
	)
	SELECT b.fresh::text AS "countedFrom", c.topic || ' ' || c.team_id AS key, c.counted, c.recounted
	FROM bounds b LEFT JOIN LATERAL (
		SELECT topic, team_id, count(*) FILTER (WHERE at > b.fresh)::text AS counted, count(*) FILTER (WHERE at > b.known)::text AS recounted FROM rows GROUP BY 1, 2
	) c ON true`;

const SUMS = `
	SELECT 'batches ' || team_id AS key, sum(version)::text AS mark FROM (SELECT team_id, version FROM tollgate.batch ORDER BY number DESC LIMIT 200) b GROUP BY team_id
	UNION ALL
	SELECT 'runs ' || team_id, sum(version)::text FROM (SELECT team_id, version FROM tollgate.run ORDER BY number DESC LIMIT 200) r GROUP BY team_id
	UNION ALL
	SELECT 'alerts ' || a.team_id, count(*) || ' ' || count(a.resolved_at) || ' ' || coalesce(sum(d.mark), 0)
	FROM (SELECT seq, team_id, resolved_at FROM tollgate.alert ORDER BY seq DESC LIMIT 200) a
	LEFT JOIN LATERAL (SELECT sum(hashtext(concat_ws(' ', x.state, x.attempts, x.acknowledged_at))) AS mark FROM tollgate.alert_delivery x WHERE x.alert_seq = a.seq) d ON true
	GROUP BY a.team_id
	UNION ALL
	SELECT 'reports ' || team_id, sum(edition)::text FROM (SELECT team_id, edition FROM tollgate.report ORDER BY date DESC LIMIT 200) r GROUP BY team_id
	UNION ALL
	SELECT 'statements ', coalesce(sum(hashtext(concat_ws(' ', month, state, draft, decided_at, closed_at))), 0)::text FROM tollgate.statement_month`;

/** One look; `before`: the look before it. */
export async function readChangeMarks(database: Queryable, before: ChangeMarks | undefined): Promise<ChangeMarks> {
	const { rows: changes } = await database.query<ChangeMarks["changes"][number] & { revision: string }>(CHANGES, [before?.revision ?? null]);
	type Count = { countedFrom: string; key: string | null; counted: string; recounted: string };
	const { rows: counts } = await database.query<Count>(COUNTS, [before?.countedFrom ?? null]);
	const { rows: sums } = await database.query<{ key: string; mark: string }>(SUMS);
	const counted = counts.flatMap(({ key, ...count }) => (key === null ? [] : [{ key, ...count }]));
	return {
		revision: changes.at(-1)?.revision ?? before?.revision ?? "0",
		changes: before === undefined ? [] : changes,
		countedFrom: counts[0]?.countedFrom ?? "",
		counted: new Map(counted.map(({ key, counted: count }) => [key, count])),
		recounted: new Map(counted.map(({ key, recounted }) => [key, recounted])),
		sums: new Map(sums.map(({ key, mark }) => [key, mark])),
	};
}

/** What changed from one look to the next, without repetition. */
export function changedMarks(before: ChangeMarks, after: ChangeMarks): readonly ChangeMark[] {
	const called = [...after.recounted].filter(([key, count]) => count !== (before.counted.get(key) ?? "0")).map(([key]) => markOf(key));
	// What left the newest few hundred has not changed.
	const moved = [...after.sums].filter(([key, mark]) => mark !== before.sums.get(key)).map(([key]) => markOf(key));
	const marks = [
		...after.changes.flatMap(({ kind, subject, teamId }) => marksOfChange(kind, kind === "team" || kind === "alert_route" ? subject : teamId)),
		// What is called is spent, and moves the budgets it is held in.
		...called.flatMap(({ topic, teamId }): ChangeMark[] =>
			topic === "spend"
				? [
						{ topic, teamId },
						{ topic: "budgets", teamId },
					]
				: [{ topic, teamId }],
		),
		...moved,
	];
	return [...new Map(marks.map((mark) => [`${mark.topic} ${mark.teamId}`, mark])).values()];
}

function markOf(key: string): ChangeMark {
	const space = key.indexOf(" ");
	return { topic: key.slice(0, space) as ChangeTopic, teamId: key.slice(space + 1) || null };
}

/** Topics of a kind of change; of one that nobody thought of here, everything that people declare. */
const TOPICS_OF_KIND: Readonly<Record<string, readonly ChangeTopic[]>> = {
	team: ["budgets", "policy", "keys"],
	budget: ["budgets", "policy"],
	increase: ["increases", "budgets"],
	key: ["keys", "policy"],
	admin_key: ["keys"],
	price: ["prices"],
	run: ["runs"],
	alert_channel: ["alerts", "policy"],
	alert_route: ["alerts", "policy"],
	statement: ["statements"],
	adjustment: ["spend", "budgets"],
	lease: ["spend", "budgets"],
	ledger: ["spend"],
	user: ["spend"],
	console: [],
	flush: [],
};
/** Nothing of these is shown to whoever is kept to his teams. */
const OF_ORGANIZATION: ReadonlySet<string> = new Set(["admin_key", "lease", "ledger", "user"]);

function marksOfChange(kind: string, teamId: string | null): ChangeMark[] {
	const topics = TOPICS_OF_KIND[kind] ?? ["budgets", "policy", "keys", "alerts"];
	return topics.map((topic) => ({ topic, teamId: OF_ORGANIZATION.has(kind) ? ORGANIZATION_ID : teamId }));
}
