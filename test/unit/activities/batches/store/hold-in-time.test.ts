import { expect, test } from "vitest";
import type { HoldResult } from "#activities/batches/port.ts";
import { holdInTime } from "#activities/batches/store/hold-in-time.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

const SHORT: HoldResult = { kind: "short", items: [] };
const HELD: HoldResult = { kind: "held", windows: [] };
const away = (): never => {
	throw new CostControlError("authority.unreachable", "away");
};

/** Asks of a store that answers in turn, the last answer for ever; time passes by pausing alone. */
async function ask(waitMs: number, ...answers: (() => HoldResult)[]) {
	let nowMs = 0;
	const asked: boolean[] = [];
	const store = {
		async hold(_batchId: string, { waitIsOver }: { readonly waitIsOver: boolean }) {
			const answer = answers[Math.min(asked.length, answers.length - 1)];
			asked.push(waitIsOver);
			return answer?.() ?? SHORT;
		},
	};
	const pause = async (ms: number): Promise<void> => {
		nowMs += ms;
	};
	const result = await holdInTime(store, "batch_1", { waitMs, nowMs: () => nowMs, pause }).catch((error: unknown) => error);
	return { result, asked, nowMs };
}

test("asks until it is held", async () => {
	expect(
		await ask(
			5_000,
			() => SHORT,
			away,
			() => HELD,
		),
	).toMatchObject({ result: HELD, asked: [false, false, false], nowMs: 200 });
});

test("says when the wait is over, and gives the other gateways their time then", async () => {
	const { result, asked, nowMs } = await ask(1_000, () => SHORT);
	expect(result).toMatchObject({ code: "authority.unreachable" });
	expect([asked.indexOf(true), nowMs]).toEqual([10, 4_000]);
});

test("an outage that lasts is told as what it is", async () => {
	expect((await ask(0, away)).result).toMatchObject({ code: "authority.unreachable", cause: { message: "away" } });
});

test("any other failure is told at once", async () => {
	const failing = () => {
		throw new CostControlError("batch.missing", "gone");
	};
	expect(await ask(5_000, failing)).toMatchObject({ result: { code: "batch.missing" }, asked: [false] });
});
