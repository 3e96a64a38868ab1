import { expect } from "vitest";
import type { GatewayProcess } from "#test/support/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";
import { type CallRecord, type PlannedCall, planCall, send } from "./call.ts";
import type { Fault, FaultResult, FaultRun } from "./fault.ts";
import { BROKEN, endOf, expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS } from "./stand.ts";

/** kill -9 of one gateway at a named point of a call, while three others go on; then the same identity starts again. */

type CrashPoint = "after-reserve" | "after-journal" | "after-send" | "after-answer" | "after-settle" | "after-commit";

/** The gateway that is going to die has one caller, so that exactly one call is under way when it does. */
const DOOMED = 3;

const crashAt = (point: CrashPoint, pass: number): Record<string, string> => ({
	NODE_OPTIONS: preloading("short-lease.mjs", `crash-hook.mjs?${point}:${pass}`),
});

type Crash = {
	readonly point: CrashPoint;
	/** Key of the n-th call to the doomed gateway. */
	readonly idempotencyKey?: (n: number) => string;
	/** Between the crash and the next start. */
	readonly whileDead?: (stand: FaultStand, last: PlannedCall) => Promise<void>;
	/** What calls of the workload may end with besides. */
	readonly mayEnd?: readonly string[];
};
type Crashed = { readonly stand: FaultStand; readonly calls: number; readonly records: readonly CallRecord[]; readonly recoveryMs: number };

async function crashUnderLoad(run: FaultRun, { point, idempotencyKey, whileDead, mayEnd = [] }: Crash): Promise<Crashed> {
	const stand = await run.open({ gateways: DOOMED });
	const load = await stand.load(run.random, { calls: 240 });
	await load.beginFault(2 * LEASE_MS);
	const pass = run.random.integer(2, 9);
	const doomed = await stand.start(DOOMED, crashAt(point, pass));
	const { records, last } = await callUntilGone(stand, doomed, run, idempotencyKey);
	expect(doomed.child.signalCode).toBe("SIGKILL");
	await whileDead?.(stand, last);
	await stand.start(DOOMED);
	load.healed();
	const recoveryMs = await stand.recover();
	await load.finish();
	expectEnds(load.records, mayEnd);
	return { stand, calls: pass, records: [...load.records, ...records], recoveryMs };
}

async function callUntilGone(
	stand: FaultStand,
	doomed: GatewayProcess,
	run: FaultRun,
	idempotencyKey?: Crash["idempotencyKey"],
): Promise<{ records: CallRecord[]; last: PlannedCall }> {
	const records: CallRecord[] = [];
	for (let n = 1; ; n += 1) {
		const call = { ...planCall(stand.ample, run.random), ...(idempotencyKey && { headers: { "idempotency-key": idempotencyKey(n) } }) };
		const record = await send(call, { url: doomed.url, gateway: DOOMED, phase: "during" });
		records.push(record);
		if (record.status === 200 && doomed.child.signalCode === null) continue;
		await doomed.exited;
		// The connection broke, or the answer had just left.
		expect(["200", BROKEN]).toContain(endOf(record));
		return { records, last: call };
	}
}

type AttemptOfDoomed = { attempt_id: string; outcome: string; charged: string; reserved: string };

/** Attempts of the boot that died, in order, and how many of their calls the provider billed. */
async function attemptsOfDoomed(stand: FaultStand): Promise<{ attempts: AttemptOfDoomed[]; billed: string[] }> {
	const attempts = await stand.sql<AttemptOfDoomed>(
		`SELECT a.attempt_id, a.outcome, a.reserved_nano_usd AS reserved, (SELECT sum(amount_nano_usd) FROM tollgate.entry e WHERE e.attempt_id = a.attempt_id) AS charged
		 FROM tollgate.attempt a WHERE gateway_id = 'g${DOOMED}' AND epoch = 1 ORDER BY split_part(a.attempt_id, '-', 3)::int`,
	);
	const billed = stand.base.provider.calls().flatMap(({ attemptId }) => (attemptId?.startsWith(`g${DOOMED}-1-`) ? [attemptId] : []));
	return { attempts, billed };
}

async function resultOf({ stand, records, recoveryMs }: Crashed): Promise<FaultResult> {
	return { counts: await stand.finish(records, { shouldResolve: true }), recoveryMs };
}

export const CRASHES: readonly Fault[] = [
	{
		id: "F3",
		name: "kill -9 between reservation and sending",
		async run(run) {
			// Before the journal knows of it nothing was reserved for anybody else to see.
			const unwritten = await crashUnderLoad(run, { point: "after-reserve" });
			await resultOf(unwritten);
			const before = await attemptsOfDoomed(unwritten.stand);
			expect(before.attempts.map(({ outcome }) => outcome)).toEqual(Array(unwritten.calls - 1).fill("settled"));
			// After it nobody can tell it from a call that was sent: charged as long as nothing proves otherwise.
			const written = await crashUnderLoad(run, { point: "after-journal" });
			const result = await resultOf(written);
			const after = await attemptsOfDoomed(written.stand);
			expect(after.attempts.map(({ outcome }) => outcome)).toEqual([...Array(written.calls - 1).fill("settled"), "unresolved"]);
			expect(after.attempts.at(-1)?.charged).toBe(after.attempts.at(-1)?.reserved);
			expect(after.billed).toHaveLength(written.calls - 1);
			expect(result.counts?.unresolved).toBe(1);
			return { ...result, note: "the numbers are of the crash after the journal; the one before it was judged first" };
		},
	},
	{
		id: "F4",
		name: "kill -9 after sending, before the answer, and of another gateway at any moment",
		async run(run) {
			const crashed = await crashUnderLoad(run, {
				point: "after-send",
				mayEnd: [BROKEN],
				whileDead: async (stand) => {
					const other = run.random.integer(0, DOOMED - 1);
					await new Promise((resolve) => setTimeout(resolve, run.random.integer(0, 500)));
					await stand.gateway(other).end("SIGKILL");
					await stand.start(other);
				},
			});
			await crashed.stand.base.verify();
			const unresolved = (await attemptsOfDoomed(crashed.stand)).attempts.at(-1);
			expect(unresolved).toMatchObject({ outcome: "unresolved", charged: unresolved?.reserved });
			const result = await resultOf(crashed);
			const { attempts, billed } = await attemptsOfDoomed(crashed.stand);
			expect(attempts).toHaveLength(crashed.calls);
			// Reconciled where the provider's log holds the call, and charged on where it does not.
			const resolved = await crashed.stand.sql("SELECT 1 FROM tollgate.entry WHERE kind = 'adjustment' AND attempt_id = $1", [unresolved?.attempt_id]);
			expect(resolved).toHaveLength(billed.includes(unresolved?.attempt_id ?? "") ? 1 : 0);
			return result;
		},
	},
	{
		id: "F5",
		name: "kill -9 after the answer, before it is booked",
		isShort: true,
		async run(run) {
			const crashed = await crashUnderLoad(run, { point: "after-answer" });
			const result = await resultOf(crashed);
			const { attempts, billed } = await attemptsOfDoomed(crashed.stand);
			expect(billed).toHaveLength(crashed.calls);
			expect(attempts.map(({ outcome }) => outcome)).toEqual([...Array(crashed.calls - 1).fill("settled"), "unresolved"]);
			expect(result.counts?.unresolved).toBe(0); // brought to what the provider billed
			return result;
		},
	},
	{
		id: "F6",
		name: "kill -9 after booking, before the reply; the caller asks again",
		async run(run) {
			const repetitions: CallRecord[] = [];
			let lost: PlannedCall | undefined;
			const crashed = await crashUnderLoad(run, {
				point: run.random.pick(["after-settle", "after-commit"]),
				idempotencyKey: (n) => `call ${n}`,
				whileDead: async (stand, last) => {
					lost = last;
					repetitions.push(await repeat(stand, last, 0)); // the same body elsewhere, while nobody knows how it ended
				},
			});
			const { stand } = crashed;
			for (const gateway of [DOOMED, 1]) repetitions.push(await repeat(stand, lost ?? expect.fail("no call was lost"), gateway));
			const result = await resultOf(crashed);
			const { attempts, billed } = await attemptsOfDoomed(stand);
			expect(attempts.map(({ outcome }) => outcome)).toEqual(Array(attempts.length).fill("settled"));
			expect(attempts.map(({ attempt_id }) => attempt_id).sort()).toEqual([...billed].sort());
			// No repetition has an attempt of its own: what it answers with, if anything, is the first call's.
			const own = "SELECT attempt_id FROM tollgate.attempt WHERE request_id = ANY ($1) AND NOT (gateway_id = $2 AND epoch = 1)";
			expect(await stand.sql(own, [repetitions.map(({ requestId }) => requestId), `g${DOOMED}`])).toEqual([]);
			return result;
		},
	},
];

async function repeat(stand: FaultStand, call: PlannedCall, gateway: number): Promise<CallRecord> {
	const again = await send(call, { url: stand.gateway(gateway).url, gateway, phase: "during" });
	expect(["200", "409 idempotency.in_flight", "409 idempotency.outcome_unknown"], again.text).toContain(endOf(again));
	return again;
}
