import { describe, expect, test } from "vitest";
import { finishModel, newModel, type ReservationModel, stepModel } from "#domain/budget/reservation-model.ts";
import { checkEnd, checkStep, randomFrom, randomStep, randomWindows } from "#test/support/model-histories.ts";

/**
 * 100,000 random histories over the pure model, in all units, keep I1 (cap), I3 (conservation) and I4 (resolved once) of the
 * invariants. A failure names the seed; `runHistory(seed)` is the history.
 */
const HISTORIES = 100_000;
const PARTS = 4;
const STEPS = 60;

function runHistory(seed: number): ReservationModel {
	const random = randomFrom(seed);
	let model = stepModel(newModel(randomWindows(random)), { kind: "boot" });
	for (let count = 0; count < STEPS; count++) {
		const step = randomStep(model, random);
		const after = stepModel(model, step);
		checkStep(model, after, step);
		model = after;
	}
	const finished = finishModel(model);
	checkStep(model, finished, "finish");
	checkEnd(finished);
	return finished;
}

describe(`${HISTORIES} random histories of reserve, settle, release, expire, crash, duplicate and reorder`, () => {
	test.each(Array.from({ length: PARTS }, (_, part) => part))("part %i keeps I1, I3 and I4", { timeout: 120_000 }, (part) => {
		const seen = { posted: 0, voided: 0, expired: 0, lumps: 0, overruns: 0 };
		for (let seed = (part * HISTORIES) / PARTS; seed < ((part + 1) * HISTORIES) / PARTS; seed++) {
			const finished = explain(seed);
			for (const { endings } of finished.reservations) seen[endings[0]!]++;
			for (const [key, { overrun }] of finished.entries) {
				if (key.startsWith("lump/")) seen.lumps++;
				if (overrun.some((amount) => amount > 0n)) seen.overruns++;
			}
		}
		// Histories in which nothing happens would prove nothing.
		for (const count of Object.values(seen)) expect(count).toBeGreaterThan(HISTORIES / PARTS / 5);
	});
});

function explain(seed: number): ReservationModel {
	try {
		return runHistory(seed);
	} catch (error) {
		throw new Error(`history of seed ${seed}`, { cause: error });
	}
}
