import pg from "pg";
import { ORGANIZATION_ID } from "#domain/budget/scope.ts";
import { flushGateways } from "./flush-gateways.ts";
import { judgeAdjustments } from "./judge-adjustments.ts";
import { judgeBatches } from "./judge-batches.ts";
import { judgeChains, judgeToldHeads } from "./judge-chains.ts";
import { judgeCounters } from "./judge-counters.ts";
import { judgeDegraded } from "./judge-degraded.ts";
import { type EntryTally, judgeEntries } from "./judge-entries.ts";
import { judgePending } from "./judge-pending.ts";
import { judgeProviderLog } from "./judge-provider-log.ts";
import { judgeRefusals } from "./judge-refusals.ts";
import { judgeRollups } from "./judge-rollups.ts";
import { judgeRuns } from "./judge-runs.ts";
import { judgeWindows } from "./judge-windows.ts";
import type { AskWitnesses, Testimony } from "./port.ts";
import { openProviderLog, type ProviderLog } from "./provider-log.ts";
import { Findings, type Verification } from "./report.ts";
import { planResolution, postResolution } from "./resolve.ts";
import { readLongestCallMs, type Snapshot, withSnapshot } from "./snapshot.ts";

export type VerifyOptions = {
	readonly databaseUrl: string;
	/** The provider's call log, one JSON object per line. */
	readonly providerLogPath?: string | undefined;
	/** Posts adjustments for what was charged without knowing; needs the provider log. */
	readonly shouldResolve?: boolean | undefined;
	/** Stands beside every change this makes (the flush request, adjustments). Default "verify". */
	readonly adminName?: string | undefined;
	/** Asks those who were told chain heads; default: the ledger's own anchors alone. */
	readonly askWitnesses?: AskWitnesses | undefined;
};

/**
 * Judges the whole ledger as money-path §10 says, in one snapshot, in bounded memory.
 * @throws ProviderLogError when the log cannot be read; the driver's own error when the database cannot.
 */
export async function verifyLedger(options: VerifyOptions): Promise<Verification> {
	const client = new pg.Client({ connectionString: options.databaseUrl, application_name: "tollgate verify", connectionTimeoutMillis: 5_000 });
	const adminName = options.adminName ?? "verify";
	await client.connect();
	try {
		const log = options.providerLogPath === undefined ? undefined : await openProviderLog(options.providerLogPath);
		const unflushed = await flushGateways(client, adminName);
		const resolution = log && options.shouldResolve ? await resolveAgainst(client, log, adminName) : undefined;
		// Before the snapshot: what was told by then must be in it.
		const testimony = await options.askWitnesses?.(await readGovernedTeams(client));
		return await withSnapshot(client, async (snapshot) => {
			const findings = new Findings();
			if (unflushed.length > 0) findings.note(`Live but not flushed within 10 s: ${unflushed.join(", ")}; calls they hold in memory are judged next time.`);
			if (resolution) findings.note(resolution);
			if (testimony) await hearWitnesses(snapshot, findings, testimony);
			return judge(snapshot, findings, log);
		});
	} finally {
		await client.end();
	}
}

async function resolveAgainst(client: pg.Client, log: ProviderLog, adminName: string): Promise<string> {
	const plan = await withSnapshot(client, (snapshot) => planResolution(snapshot, log));
	const { adjusted, released, posted } = await postResolution(client, plan, adminName);
	const kept =
		plan.tooYoung > 0 ? ` ${plan.tooYoung} stay charged: the log does not hold them, but they are younger than the longest call and may still be running.` : "";
	const added = posted > 0 ? ` ${posted} posted for calls that no lease had held.` : "";
	return `Resolved: ${adjusted} brought to the logged cost, ${released} released.${added}${kept}`;
}

/** Whoever has a budget has a workflow. */
async function readGovernedTeams(client: pg.Client): Promise<string[]> {
	const { rows } = await client.query<{ team: string }>(
		`SELECT DISTINCT coalesce(b.team_id, $1) AS team FROM tollgate.declared_budget b LEFT JOIN tollgate.team t ON t.id = b.team_id
		 WHERE b.deleted_at IS NULL AND t.deleted_at IS NULL`,
		[ORGANIZATION_ID],
	);
	return rows.map(({ team }) => team);
}

async function hearWitnesses(snapshot: Snapshot, findings: Findings, { heads, note }: Testimony): Promise<void> {
	if (note !== null) findings.note(note);
	await judgeToldHeads(snapshot, findings, heads);
}

async function judge(snapshot: Snapshot, findings: Findings, log: ProviderLog | undefined): Promise<Verification> {
	const longestCallMs = await readLongestCallMs(snapshot);
	const entries = await judgeEntries(snapshot, findings);
	await judgeAdjustments(snapshot, findings);
	await judgeChains(snapshot, findings);
	await judgeCounters(snapshot, findings);
	const { overspendNanoUsd } = await judgeWindows(snapshot, findings);
	await judgeRefusals(snapshot, findings);
	await judgeDegraded(snapshot, findings);
	await judgeRuns(snapshot, findings);
	await judgeBatches(snapshot, findings);
	await judgeRollups(snapshot, findings);
	await judgePending(snapshot, findings, longestCallMs);
	const calls = log ? await judgeProviderLog(snapshot, findings, { log, longestCallMs }) : entries.attempts;
	return summarise(findings, { calls, entries, overspendNanoUsd });
}

function summarise(findings: Findings, totals: { calls: number; entries: EntryTally; overspendNanoUsd: bigint }): Verification {
	return {
		report: {
			ok: findings.total === 0,
			calls: totals.calls,
			entries: totals.entries.entries,
			overspendNanoUsd: totals.overspendNanoUsd.toString(),
			overrunNanoUsd: totals.entries.overrunNanoUsd.toString(),
			falseRefusals: findings.count("false_refusal"),
			duplicated: findings.count("duplicated"),
			lost: findings.count("lost"),
			estimated: totals.entries.estimated,
			unresolved: totals.entries.unresolved,
			pendingPastTime: findings.count("pending_past_time"),
		},
		findings: findings.kept,
		findingsOmitted: findings.total - findings.kept.length,
		notes: findings.notes,
	};
}
