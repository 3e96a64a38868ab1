import { expect } from "vitest";
import { preloading } from "#test/support/preload.ts";
import { until } from "#test/support/until.ts";
import { planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { CLOSED, expectEnds } from "./load.ts";
import { type FaultStand, LEASE_MS, type Team } from "./stand.ts";

/** The end of a window, and clocks that are wrong. */

const HOUR_MS = 3_600_000;
const EDGE_AFTER_MS = 5 * LEASE_MS;
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "America/Havana"];
const KINDS = ["day", "week", "month", "quarter"];

/** Opens the window of every team and has it end soon, before any gateway knows of it. */
async function endSoon(stand: FaultStand, teams: readonly Team[]): Promise<void> {
	const ids = teams.map(({ teamId }) => teamId);
	await stand.sql("SELECT tollgate.open_window(id) FROM tollgate.budget WHERE team_id = ANY ($1)", [ids]);
	await stand.sql(
		`UPDATE tollgate.budget_window w SET ends_at = clock_timestamp() + $2 * interval '1 millisecond'
		 FROM tollgate.budget b WHERE b.id = w.budget_id AND b.team_id = ANY ($1)`,
		[ids, EDGE_AFTER_MS],
	);
}

/** Windows of random zones around random instants: each begins where its predecessor ended, and covers its instant. */
async function expectCalendarWithoutGaps(run: FaultRun, stand: FaultStand): Promise<void> {
	for (let round = 0; round < 40; round += 1) {
		const [kind, zone] = [run.random.pick(KINDS), run.random.pick(ZONES)];
		const at = new Date(Date.UTC(2025, 0, 1) + run.random.integer(0, 5 * 365 * 24 * 60) * 60_000).toISOString();
		const [row] = await stand.sql(
			`SELECT b.starts_at <= $3::timestamptz AND b.ends_at > $3::timestamptz AS covers, n.starts_at = b.ends_at AS follows, n.ends_at > n.starts_at AS goes_on
			 FROM tollgate.window_bounds($1, $2, $3::timestamptz) b CROSS JOIN LATERAL tollgate.window_bounds($1, $2, b.ends_at) n`,
			[kind, zone, at],
		);
		expect([kind, zone, at, row]).toEqual([kind, zone, at, { covers: true, follows: true, goes_on: true }]);
	}
}

export const TIME_FAULTS: readonly Fault[] = [
	{
		id: "F14",
		name: "the end of every team's window under load, calls in flight over it",
		async run(run) {
			const stand = await run.open({ windowKind: "day" });
			await expectCalendarWithoutGaps(run, stand);
			const straddling = await stand.base.team(1_000_000_000n);
			let teams: readonly Team[] = [];
			const load = await stand.load(run.random, {
				prepare: (made) => {
					teams = [...made, straddling];
					return endSoon(stand, teams);
				},
			});
			const over = stand.gateways.map((gateway, index) =>
				send({ ...planCall(straddling, run.random), directive: { holdUntil: "edge" } }, { url: gateway.url, gateway: index, phase: "during" }),
			);
			await until("calls in flight", async () => (await stand.base.provider.control("state"))["held"] === over.length);
			await load.beginFault(EDGE_AFTER_MS);
			const ids = teams.map(({ teamId }) => teamId);
			const ended =
				"SELECT bool_and(w.ends_at < clock_timestamp()) AS yes FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = $1 AND NOT w.is_ahead";
			await until("the end of the windows", async () => (await stand.sql<{ yes: boolean }>(ended, [straddling.teamId]))[0]?.yes === true);
			await stand.base.provider.control("release", { name: "edge" });
			load.healed();
			const late = await Promise.all(over);
			await load.finish();
			expectEnds([...load.records, ...late], []);
			const counts = await stand.finish([...load.records, ...late]);
			const windows = await stand.sql<{ team_id: string; windows: number; joined: boolean }>(
				`SELECT b.team_id, count(*)::int AS windows, count(DISTINCT w.starts_at) = count(*) AS joined
				 FROM tollgate.budget_window w JOIN tollgate.budget b ON b.id = w.budget_id WHERE b.team_id = ANY ($1) GROUP BY 1`,
				[ids],
			);
			expect(
				windows.filter(({ windows: count, joined }) => count > 2 || !joined),
				"windows that were reset twice",
			).toEqual([]);
			expect(windows.filter(({ windows: count }) => count === 2).length).toBeGreaterThan(5);
			const inFirst = `SELECT count(*)::int AS count FROM tollgate.attempt a JOIN tollgate.budget_window w ON w.id = ANY (a.window_ids) WHERE a.request_id = ANY ($1) AND w.ends_at < a.at`;
			expect(await stand.sql(inFirst, [late.map(({ requestId }) => requestId)]), "booked in the window of the reservation").toEqual([{ count: over.length }]);
			return { counts, recoveryMs: null };
		},
	},
	{
		id: "F15",
		name: "the clock of one gateway an hour back, of another an hour ahead, both jumping under load",
		isShort: true,
		async run(run) {
			const stand = await run.open({ environment: { NODE_OPTIONS: preloading("short-lease.mjs", "jumping-clock.mjs") } });
			for (const [index, shifts] of [
				[0, [-HOUR_MS, HOUR_MS]],
				[1, [HOUR_MS, 0]],
			] as const) {
				await stand.gateway(index).end();
				await stand.start(index, { TEST_CLOCK_SHIFTS_MS: shifts.join(",") });
			}
			const load = await stand.load(run.random);
			await load.beginFault(LEASE_MS);
			for (const index of [0, 1]) stand.gateway(index).child.kill("SIGUSR2");
			for (const index of [0, 1]) await until("the clock to jump", () => stand.gateway(index).log().includes("the clock is off by"));
			load.healed();
			await load.finish();
			expectEnds(load.records, [CLOSED]);
			const counts = await stand.finish(load.records);
			const wrong = `SELECT a.attempt_id FROM tollgate.attempt a JOIN tollgate.budget_window w ON w.id = ANY (a.window_ids) WHERE a.at NOT BETWEEN w.starts_at AND w.ends_at`;
			expect(await stand.sql(wrong), "attempts in a window that was not PostgreSQL's").toEqual([]);
			const off =
				"SELECT bool_or(reserved_at < at - interval '50 minutes') AS back, bool_or(reserved_at > at + interval '50 minutes') AS ahead FROM tollgate.attempt";
			expect(await stand.sql(off)).toEqual([{ back: true, ahead: true }]); // the clocks really were off
			const early = "SELECT gateway_id FROM tollgate.gateway_epoch WHERE fenced_at IS NOT NULL AND closed_how IS DISTINCT FROM 'drained'";
			expect(await stand.sql(early), "epochs ended before their time").toEqual([]);
			return { counts, recoveryMs: null };
		},
	},
];
