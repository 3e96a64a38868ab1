import { assert } from "#domain/assert.ts";
import { type PublishedWindow, REFUSALS_COUNTED_MAX, type TeamTotals } from "#domain/budget/publication.ts";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { CHAIN_HEADS_MAX, type ChainHead, type HeldFreeze, type RefusalNote, type TotalsReport } from "#domain/budget/team-budget-state.ts";
import { linesOf } from "#domain/budget/thresholds.ts";
import {
	type GovernanceRow,
	GRACE_MINUTES,
	NO_REFUSALS,
	type RefusalCounts,
	readTotals,
	type TotalsRow,
	toHeldFreeze,
	toWindowReport,
} from "../budgets/postgres.ts";
import type { Connection } from "../database/connection.ts";

/**
 * What the publisher reads. Refusals are counted from the ledger's rows, absolute and capped per window, because a
 * denied team can be refused thousands of times a second, and one window's must not hide another's.
 */
const TRY_LOCK = "SELECT pg_try_advisory_lock($1) AS is_held";
/** Held by the session: whoever loses the connection loses the role. */
const PUBLISHER_LOCK_ID = "718204010";
/**
 * Of budgets: what limits refused counts in no window. By the index on `at`, which a time that may differ from row to row
 * (clock_timestamp) would keep from being used.
 */
export const TEAMS_REFUSED_SINCE =
	"SELECT team_id, max(at) AS at FROM tollgate.refusal WHERE at > statement_timestamp() - make_interval(secs => $1) AND window_id IS NOT NULL GROUP BY team_id";
/** Index refusal_window holds these codes alone, refusal_observed what was only observed. */
const COUNT_REFUSALS = `
	SELECT w.id AS window_id, counted.refusals, observed.refusals AS observed_refusals, newest.stop_amount AS refused_at_stop FROM unnest($1::bigint[]) AS w (id)
	CROSS JOIN LATERAL (
		SELECT count(*) AS refusals FROM (
			SELECT 1 FROM tollgate.refusal r
			WHERE r.window_id = w.id AND r.code IN ('budget.exceeded', 'budget.overrun', 'budget.needs_approval') AND NOT r.is_observed LIMIT ${REFUSALS_COUNTED_MAX}
		) capped
	) counted
	CROSS JOIN LATERAL (
		SELECT count(*) AS refusals FROM (
			SELECT 1 FROM tollgate.refusal r WHERE r.window_id = w.id AND r.is_observed LIMIT ${REFUSALS_COUNTED_MAX}
		) capped
	) observed
	LEFT JOIN LATERAL (
		SELECT e.stop_amount FROM tollgate.window_event e WHERE e.window_id = w.id AND e.seq = (
			SELECT max(r.window_seq) FROM tollgate.refusal r
			WHERE r.window_id = w.id AND r.code IN ('budget.exceeded', 'budget.overrun', 'budget.needs_approval') AND NOT r.is_observed
		)
	) newest ON true
	WHERE counted.refusals + observed.refusals > 0`;
const LAST_REFUSALS = `
	SELECT request_id, code, window_id, floor(extract(epoch FROM at) * 1000)::float8 AS at_ms
	FROM tollgate.refusal WHERE team_id = $1 AND NOT is_observed ORDER BY at DESC LIMIT 5`;

/** Chains that can still grow, or did an hour ago, and that hold money of these windows. Read after the totals, so they cover them. */
const CHAIN_HEADS = `
	SELECT team.n::int AS team, head.* FROM unnest($1::text[]) WITH ORDINALITY AS team (window_ids, n)
	CROSS JOIN LATERAL (
		SELECT g.gateway_id AS "gatewayId", g.epoch::text, c.chunk_seq::text AS "chunkSeq", encode(c.hash, 'hex') AS hash
		FROM tollgate.gateway_epoch g
		CROSS JOIN LATERAL (
			SELECT chunk_seq, hash, at FROM tollgate.chunk WHERE gateway_id = g.gateway_id AND epoch = g.epoch ORDER BY chunk_seq DESC LIMIT 1
		) c
		WHERE (g.closed_at IS NULL OR g.closed_at > clock_timestamp() - interval '1 hour')
		  AND EXISTS (SELECT 1 FROM tollgate.lease l WHERE l.gateway_id = g.gateway_id AND l.epoch = g.epoch AND l.window_id = ANY (team.window_ids::bigint[]))
		ORDER BY c.at DESC LIMIT ${CHAIN_HEADS_MAX}
	) head`;

const TEAM_IDS = "SELECT id FROM tollgate.team UNION ALL SELECT $1";

const RECORD_TOLD = `
	INSERT INTO tollgate.totals_told (team_id, told_at) VALUES ($1, clock_timestamp())
	ON CONFLICT (team_id) DO UPDATE SET told_at = excluded.told_at`;

/** Teams whose budgets a policy document changed since their workflow was told, those included that have none left. */
const UNTOLD_POLICIES = `
	SELECT g.team_id, g.is_frozen, g.freeze_reason, g.freeze_seq, g.document_revision
	FROM tollgate.team_governance g LEFT JOIN tollgate.policy_told p ON p.team_id = g.team_id
	WHERE g.document_revision > coalesce(p.revision, 0)`;
const RECORD_POLICY_TOLD = `
	INSERT INTO tollgate.policy_told AS p (team_id, revision) VALUES ($1, $2)
	ON CONFLICT (team_id) DO UPDATE SET revision = greatest(p.revision, excluded.revision)`;

/** Everything below it is committed or rolled back, and seen by whatever is read afterwards. */
const HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon";
const MOVED_TEAMS = `SELECT team_id FROM tollgate.moved_teams($1, interval '${GRACE_MINUTES} minutes') AS moved (team_id)`;

/** `documentRevision`: of the newest policy document that wrote the team's budgets. */
export type TeamSnapshot = TeamTotals & { readonly rows: readonly TotalsRow[]; readonly freeze: HeldFreeze; readonly documentRevision: number };

export type UntoldPolicies = ReadonlyMap<string, GovernanceRow>;

/** What a snapshot says beside the totals; `refusalsOf` gives the count last read per window id. */
type Beside = { readonly untold: UntoldPolicies; readonly refusalsOf: (windowId: string) => RefusalCounts };

export class TotalsSource {
	private readonly connection: Connection;

	constructor(connection: Connection) {
		this.connection = connection;
	}

	async tryLock(): Promise<boolean> {
		return (await this.connection.query<{ is_held: boolean }>("publisher_lock", TRY_LOCK, [PUBLISHER_LOCK_ID]))[0]?.is_held === true;
	}

	/** To be read before the totals: what is not in them is not below it. */
	async readHorizon(): Promise<string> {
		const [row] = await this.connection.query<{ horizon: string }>("totals_horizon", HORIZON, []);
		assert(row !== undefined, "there is always a snapshot");
		return row.horizon;
	}

	/** Teams of which something was written since `horizon`, and perhaps others. */
	async movedSince(horizon: string): Promise<readonly string[]> {
		return (await this.connection.query<{ team_id: string }>("moved_teams", MOVED_TEAMS, [horizon])).map((row) => row.team_id);
	}

	/** Of all there are, the organisation among them. */
	async teamIds(): Promise<readonly string[]> {
		return (await this.connection.query<{ id: string }>("team_ids", TEAM_IDS, [ORGANIZATION_ID])).map((row) => row.id);
	}

	/** Teams whose workflow was not told of the policy document that their budgets are of. */
	async readUntoldPolicies(): Promise<UntoldPolicies> {
		const rows = await this.connection.query<GovernanceRow & { team_id: string }>("untold_policies", UNTOLD_POLICIES, []);
		return new Map(rows.map((row) => [row.team_id, row]));
	}

	/** Open and just-closed windows of these teams (null = all) in one snapshot. A team that has none is absent, unless its policy is untold. */
	async readTeams(teamIds: readonly string[] | null, { untold, refusalsOf }: Beside): Promise<TeamSnapshot[]> {
		const rows = await readTotals(this.connection, teamIds, { isForTelling: true });
		const asked = teamIds === null ? untold.keys() : teamIds.filter((teamId) => untold.has(teamId));
		const teams = new Map([...[...asked].map((teamId) => [teamId, []] as [string, TotalsRow[]]), ...Map.groupBy(rows, (row) => row.team_id)]);
		return [...teams].flatMap(([teamId, teamRows]) => {
			const governance = untold.get(teamId) ?? teamRows[0];
			return governance === undefined ? [] : [toSnapshot(teamId, { governance, rows: teamRows, refusalsOf, hasUntoldPolicy: untold.has(teamId) })];
		});
	}

	/** The team's workflow was told of the policy document it has in this snapshot. */
	async recordPolicyTold({ teamId, documentRevision }: TeamSnapshot): Promise<void> {
		await this.connection.query("record_policy_told", RECORD_POLICY_TOLD, [teamId, documentRevision]);
	}

	/** The team's workflow accepted its totals: what ended before now is told. */
	async recordTold(teamId: string): Promise<void> {
		await this.connection.query("record_told", RECORD_TOLD, [teamId]);
	}

	/** Teams that were refused within the last seconds, with the time of the newest refusal. */
	async teamsRefused(withinSeconds: number): Promise<ReadonlyMap<string, number>> {
		const rows = await this.connection.query<{ team_id: string; at: Date }>("teams_refused", TEAMS_REFUSED_SINCE, [withinSeconds]);
		return new Map(rows.map((row) => [row.team_id, row.at.getTime()]));
	}

	/** Refused calls per window id of one team, each at most REFUSALS_COUNTED_MAX. */
	async countRefusals(team: TeamSnapshot): Promise<ReadonlyMap<string, RefusalCounts>> {
		const windowIds = team.rows.map((row) => row.window_id);
		return new Map((await this.connection.query<CountsRow>("count_refusals", COUNT_REFUSALS, [windowIds])).map((row) => [row.window_id, toCounts(row)]));
	}

	/** What the workflows of these teams are told, in their order. The heads are read at once: a question a team took as long as the signals themselves. */
	async reports(teams: readonly TeamSnapshot[]): Promise<TotalsReport[]> {
		const windowIds = teams.map(({ rows }) => `{${rows.map((row) => row.window_id).join(",")}}`);
		const heads = Map.groupBy(await this.connection.query<ChainHead & { readonly team: number }>("chain_heads", CHAIN_HEADS, [windowIds]), ({ team }) => team);
		const reports: TotalsReport[] = [];
		for (const [index, team] of teams.entries()) reports.push(await this.report(team, heads.get(index + 1) ?? []));
		return reports;
	}

	private async report(team: TeamSnapshot, heads: readonly ChainHead[]): Promise<TotalsReport> {
		const counts = new Map(team.windows.map((window) => [window.windowId, countsOf(window)]));
		const windows = team.rows.map((row) => toWindowReport(row, counts.get(row.window_id) ?? NO_REFUSALS));
		const { freeze, documentRevision } = team;
		const chainHeads = heads.map(({ gatewayId, epoch, chunkSeq, hash }) => ({ gatewayId, epoch, chunkSeq, hash }));
		const rest = { chainHeads, freeze, documentRevision };
		if (windows.every((window) => window.refusals === 0)) return { windows, lastRefusals: [], ...rest };
		const last = await this.connection.query<{ request_id: string; code: string; window_id: string | null; at_ms: number }>("last_refusals", LAST_REFUSALS, [
			team.teamId,
		]);
		const keyOf = new Map(team.rows.map((row) => [row.window_id, toWindowReport(row, NO_REFUSALS).key]));
		const notes = last.map(
			(row): RefusalNote => ({ atMs: row.at_ms, key: keyOf.get(row.window_id ?? "") ?? "", code: row.code, requestId: row.request_id.slice(0, 80) }),
		);
		return { windows, lastRefusals: notes.reverse(), ...rest };
	}
}

type CountsRow = { readonly window_id: string; readonly refusals: string; readonly observed_refusals: string; readonly refused_at_stop: string | null };

function toCounts(row: CountsRow): RefusalCounts {
	const counts = { refusals: Number(row.refusals), observedRefusals: Number(row.observed_refusals) };
	return row.refused_at_stop === null ? counts : { ...counts, refusedAtStop: row.refused_at_stop };
}

function countsOf({ refusals, observedRefusals, refusedAtStop }: PublishedWindow): RefusalCounts {
	return { refusals, observedRefusals, ...(refusedAtStop !== undefined && { refusedAtStop }) };
}

type SnapshotParts = {
	readonly governance: GovernanceRow;
	readonly rows: readonly TotalsRow[];
	readonly refusalsOf: (windowId: string) => RefusalCounts;
	readonly hasUntoldPolicy: boolean;
};

function toSnapshot(teamId: string, { governance, rows, refusalsOf, hasUntoldPolicy }: SnapshotParts): TeamSnapshot {
	const freeze = toHeldFreeze(governance);
	const windows = rows.map((row) => toPublished(row, refusalsOf(row.window_id)));
	return { teamId, rows, windows, freeze, freezeSeq: freeze.seq, documentRevision: Number(governance.document_revision), hasUntoldPolicy };
}

function toPublished(row: TotalsRow, counts: RefusalCounts): PublishedWindow {
	const limitAmount = BigInt(row.limit_amount);
	return {
		windowId: row.window_id,
		limitAmount,
		lines: linesOf({ limitAmount, thresholds: row.thresholds }).map(({ amount }) => amount),
		approved: BigInt(row.approved_amount),
		granted: BigInt(row.granted),
		posted: BigInt(row.posted),
		version: Number(row.version),
		...counts,
	};
}
