import { connect, type Socket } from "node:net";
import { expect } from "vitest";
import { until } from "#test/support/until.ts";
import { type CallRecord, MODEL, planCall, send } from "./call.ts";
import type { Fault, FaultRun } from "./fault.ts";
import { expectEnds } from "./load.ts";
import { inTurns } from "./requests.ts";
import { residentMegabytes } from "./resident-memory.ts";
import { type FaultStand, LEASE_MS, type Team } from "./stand.ts";

/** Callers who take their streams far slower than the provider gives them, or not at all. */

const TRICKLING_CALLERS = 500;
/** Every fifth of them, and who takes nothing, asks for some ten megabytes of events: more than the kernel keeps for both connections of a call. */
const HELD_BACK_EVERY = 5;
const STILL_CALLERS = 40;
const CALLERS = TRICKLING_CALLERS + STILL_CALLERS;
const HELD_BACK_CALLERS = TRICKLING_CALLERS / HELD_BACK_EVERY + STILL_CALLERS;
/** What a trickling caller takes each second. */
const BYTES_A_SECOND = 1_024;
const TURNS_A_SECOND = 20;
const TAKES_BYTES_FIRST = 8 * BYTES_A_SECOND;
const READERS_TO_THE_END = 10;
/** Resident memory that a gateway may take for its share of the slow callers, which is 135. */
const GROWTH_MEGABYTES_MOST = 250;

type AskedAnswer = { readonly outputTokens: number; readonly answers: number };
const LONG_ANSWER: AskedAnswer = { outputTokens: 16_000, answers: 4 };
/** Half a megabyte, of which a trickling caller takes a few per cent while the fault lasts. */
const SHORT_ANSWER: AskedAnswer = { outputTokens: 2_500, answers: 1 };

/** A caller of one stream, who reads only what he is told to. */
class SlowCaller {
	private readonly socket: Socket;
	private readonly piece = Buffer.alloc(BYTES_A_SECOND);
	private isReadingAll = false;
	private text = "";
	private problem: Error | undefined;
	private hasEnded = false;
	takenBytes = 0;

	constructor(url: string, key: string, answer: AskedAnswer) {
		const { hostname, port } = new URL(url);
		// `onread` takes no more from the kernel than the buffer holds, and nothing more after `false`.
		this.socket = connect({ port: Number(port), host: hostname, onread: { buffer: this.piece, callback: (length) => this.take(length) } });
		this.socket.on("error", (error) => (this.problem = error));
		this.socket.on("close", () => (this.hasEnded = true));
		this.socket.pause();
		this.socket.write(requestOf(key, answer));
	}

	/** Takes one piece of what has arrived. */
	takePiece(): void {
		this.socket.resume();
	}

	/** The first and the last bytes of the stream. */
	async readAll(): Promise<string> {
		this.isReadingAll = true;
		this.socket.resume();
		await until("the end of a stream", () => this.hasEnded);
		if (this.problem !== undefined) throw this.problem;
		return this.text;
	}

	leave(): void {
		this.socket.destroy();
	}

	private take(length: number): boolean {
		this.takenBytes += length;
		const text = this.text + this.piece.toString("latin1", 0, length);
		this.text = text.length > 8_000 ? text.slice(0, 2_000) + text.slice(-4_000) : text;
		return this.isReadingAll;
	}

	get status(): number {
		return Number(/^HTTP\/1\.1 (\d{3})/.exec(this.text)?.[1] ?? 0);
	}
}

function requestOf(key: string, { outputTokens, answers }: AskedAnswer): string {
	const content = `slowly [[simulate:${JSON.stringify({ outputTokens, tokensPerSecond: 10_000_000 })}]]`;
	const body = JSON.stringify({ model: MODEL, max_tokens: outputTokens, n: answers, stream: true, messages: [{ role: "user", content }] });
	const head = ["POST /v1/chat/completions HTTP/1.1", "host: gateway", `authorization: Bearer ${key}`, "content-type: application/json"];
	return [...head, `content-length: ${body.length}`, "connection: close", "", body].join("\r\n");
}

/** Every second each caller takes its piece, a twentieth of them at a time; meanwhile the gateways' memory is looked at. */
function trickle(run: FaultRun, stand: FaultStand, callers: readonly SlowCaller[]): { growthMegabytes(): number[]; stop(): void } {
	const before = stand.gateways.map(({ child }) => residentMegabytes(child.pid));
	const most = [...before];
	let turn = 0;
	const timer = setInterval(() => {
		for (let index = turn % TURNS_A_SECOND; index < callers.length; index += TURNS_A_SECOND) callers[index]?.takePiece();
		turn += 1;
		for (const [index, { child }] of stand.gateways.entries()) most[index] = Math.max(most[index] ?? 0, residentMegabytes(child.pid));
	}, 1_000 / TURNS_A_SECOND);
	run.defer(() => clearInterval(timer));
	return { growthMegabytes: () => most.map((megabytes, index) => megabytes - (before[index] ?? 0)), stop: () => clearInterval(timer) };
}

const inFlight = async (stand: FaultStand): Promise<number> => Number((await stand.base.provider.control("state"))["inFlight"]);

/** Calls on every gateway while the slow ones stand, which must not notice them. */
async function callBeside(run: FaultRun, stand: FaultStand): Promise<CallRecord[]> {
	const beside = await inTurns(Array.from({ length: 60 }), 6, () => {
		const gateway = run.random.integer(0, 3);
		return send(planCall(stand.ample, run.random), { url: stand.gateway(gateway).url, gateway, phase: "during" });
	});
	expect(
		beside.filter(({ status }) => status !== 200),
		"callers beside the slow ones",
	).toEqual([]);
	return beside;
}

/** One call of each slow caller is in the ledger: settled, or, where he left, charged by estimate or reservation. What each amount has to be, both checkers say. */
async function expectEachBooked(stand: FaultStand, teams: readonly Team[]): Promise<string> {
	const text = `SELECT CASE outcome WHEN 'settled' THEN 'settled' ELSE reason END AS ending, count(*)::int AS count
		FROM tollgate.attempt WHERE team_id = ANY ($1) GROUP BY 1 ORDER BY 1`;
	const rows = await stand.sql<{ ending: string; count: number }>(text, [teams.map(({ teamId }) => teamId)]);
	expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(CALLERS);
	expect(rows.map(({ ending }) => ending)).toEqual(["caller_left", "settled"]);
	return rows.map(({ ending, count }) => `${count} ${ending}`).join(", ");
}

export const SLOW_CALLER_FAULTS: readonly Fault[] = [
	{
		id: "F24",
		name: `${TRICKLING_CALLERS} callers who take 1 KB/s of their streams, and ${STILL_CALLERS} who take nothing`,
		async run(run) {
			const stand = await run.open();
			const load = await stand.load(run.random);
			await load.beginFault(6 * LEASE_MS);
			const staying = await stand.base.team(1_000_000_000_000n, { onDisconnect: "drain" });
			const leaving = await stand.base.team(1_000_000_000_000n, { onDisconnect: "cancel" });
			const open = (index: number, team: Team, answer: AskedAnswer) => new SlowCaller(stand.gateway(index % stand.gateways.length).url, team.key, answer);
			const trickling = Array.from({ length: TRICKLING_CALLERS }, (_, index) => {
				const answer = index % HELD_BACK_EVERY === 0 ? LONG_ANSWER : SHORT_ANSWER;
				return open(index, index % 2 === 0 ? leaving : staying, answer);
			});
			const still = Array.from({ length: STILL_CALLERS }, (_, index) => open(index, leaving, LONG_ANSWER));
			run.defer(() => {
				for (const caller of [...trickling, ...still]) caller.leave();
			});
			const trickled = trickle(run, stand, trickling);
			const beside = await callBeside(run, stand);
			await until("each slow caller to have taken some", () => trickling.every(({ takenBytes }) => takenBytes >= TAKES_BYTES_FIRST));
			beside.push(...(await callBeside(run, stand)));
			// They take little, so the provider is held back: its calls do not end, and nothing piles up in between.
			expect(await inFlight(stand), "calls held back").toBeGreaterThanOrEqual(HELD_BACK_CALLERS);
			expect(
				trickling.filter(({ status }) => status !== 200),
				"streams that never began",
			).toEqual([]);
			const growth = trickled.growthMegabytes();
			expect(
				growth.filter((megabytes) => megabytes > GROWTH_MEGABYTES_MOST),
				"megabytes that a gateway grew by",
			).toEqual([]);
			trickled.stop();
			const readers = [...trickling.slice(0, READERS_TO_THE_END), ...still.slice(0, 2)];
			const texts = await Promise.all(readers.map((caller) => caller.readAll()));
			expect(
				texts.filter((text) => !text.includes("data: [DONE]")),
				"streams without an end",
			).toEqual([]);
			for (const caller of [...trickling, ...still]) caller.leave();
			await until("the others to have left", async () => (await inFlight(stand)) === 0);
			load.healed();
			await load.finish();
			expectEnds(load.records, []);
			const counts = await stand.finish([...load.records, ...beside], { shouldResolve: true });
			const booked = await expectEachBooked(stand, [staying, leaving]);
			return { counts, recoveryMs: null, note: `a gateway grew by ${Math.max(...growth).toFixed(0)} MB at most; the slow calls: ${booked}` };
		},
	},
];
