import { expect } from "vitest";
import type { CallRecord } from "./call.ts";
import { planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import type { FaultStand, Team } from "./stand.ts";

/** Many at once on money for exactly k of them. */

const ASKERS = 200;

/** What a gateway holds for one of the identical calls: read from the ledger, where a probe with plenty of money left it. */
async function holdOf(stand: FaultStand, maxTokens: number): Promise<bigint> {
	const probe = barrier(stand, stand.ample, { calls: 1, maxTokens, holdName: "probe" });
	await stand.base.provider.control("release", { name: "probe" });
	const [record] = await probe.ends;
	expect(record?.status).toBe(200);
	await stand.base.verify(); // flushes
	const text = "SELECT reserved_nano_usd::text AS held FROM tollgate.attempt WHERE request_id = $1";
	return BigInt((await stand.sql<{ held: string }>(text, [record?.requestId]))[0]?.held ?? 0);
}

type Barrier = { readonly calls: number; readonly maxTokens: number; readonly holdName: string };

/** Identical calls, spread over the gateways, whose answers the provider holds back. `whenRefused` is told how many were refused so far. */
function barrier(
	stand: FaultStand,
	team: Team,
	{ calls, maxTokens, holdName }: Barrier,
	whenRefused?: (count: number) => unknown,
): { ends: Promise<CallRecord[]> } {
	let refused = 0;
	const call = { ...team, isStream: false, outputTokens: 10, maxTokens, directive: { holdUntil: holdName } };
	const ends = Array.from({ length: calls }, async (_, index) => {
		const gateway = index % stand.gateways.length;
		const record = await send(call, { url: stand.gateway(gateway).url, gateway, phase: "during" });
		if (record.status === 402) await whenRefused?.(++refused);
		return record;
	});
	return { ends: Promise.all(ends) };
}

async function raceFor(stand: FaultStand, run: FaultRun, name: string): Promise<CallRecord[]> {
	const maxTokens = run.random.integer(20, 200);
	const room = run.random.integer(5, 120);
	// Hold names are equally long, and so are the bodies.
	const held = await holdOf(stand, maxTokens);
	const team = await stand.base.team(BigInt(room) * held, { admissionWaitMs: 0 });
	const holdName = name.padEnd(5, "_");
	const { ends } = barrier(stand, team, { calls: ASKERS, maxTokens, holdName }, async (refused) => {
		if (refused === ASKERS - room) await stand.base.provider.control("release", { name: holdName });
	});
	const records = await ends;
	expect(records.filter(({ status }) => status === 200).length, `of ${ASKERS} calls on money for ${room}`).toBe(room);
	expect(records.filter(({ status }) => status === 402).length).toBe(ASKERS - room);
	const windows = "SELECT count(*)::int AS count FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1";
	expect(await stand.sql(windows, [team.teamId])).toEqual([{ count: 1 }]);
	return records;
}

export const RACES: readonly Fault[] = [
	{
		id: "F1",
		name: "200 simultaneous calls with money for exactly k",
		isShort: true,
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random, { calls: 150 });
			await load.beginFault(1_000);
			const many = await raceFor(stand, run, "four");
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			await stand.finish([...load.records, ...many]);
			const alone = await run.open({ gateways: 1 });
			const single = await raceFor(alone, run, "one");
			return { counts: await alone.finish(single), recoveryMs: null, note: "the numbers are those of one gateway; four were judged before" };
		},
	},
	{
		id: "F2",
		name: "simultaneous first calls of teams and keys never seen",
		async run(run) {
			const stand = await run.open();
			const rounds: CallRecord[] = [];
			// Every round is a new team: its key, its window and its lease are met for the first time by all gateways at once.
			for (let round = 0; round < 3; round += 1) rounds.push(...(await raceFor(stand, run, `new${round}`)));
			const load = await stand.load(run.random, { calls: 150, teams: 150, change: (call, random) => ({ ...planCall(call, random), isStream: false }) });
			await load.beginFault(0);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			return { counts: await stand.finish([...rounds, ...load.records]), recoveryMs: null };
		},
	},
];
