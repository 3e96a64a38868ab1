import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AttemptPlaces } from "#activities/ledger/attempt-places.ts";

const attemptNumber = fc.oneof(
	{ arbitrary: fc.nat(40), weight: 2 },
	{ arbitrary: fc.nat(2_000), weight: 4 },
	{ arbitrary: fc.nat(5).map((more) => 2 ** 31 + more), weight: 1 },
	{ arbitrary: fc.nat(5).map((more) => Number.MAX_SAFE_INTEGER - more), weight: 1 },
);
const command = fc.record({
	kind: fc.constantFrom("setReservation" as const, "setReservation" as const, "setOutcome" as const, "deleteOutcome" as const, "delete" as const),
	attempt: attemptNumber,
	position: fc.nat(2 ** 31).map((offset) => offset * 2 ** 20),
});

describe("positions of attempts", () => {
	it("are what a map would hold, whatever is set and deleted in whatever order", () => {
		fc.assert(
			fc.property(fc.array(command, { maxLength: 1_200, size: "max" }), (commands) => {
				const places = new AttemptPlaces();
				const reservations = new Map<number, number>();
				const outcomes = new Map<number, number>();
				for (const { kind, attempt, position } of commands) {
					if (kind === "setReservation") {
						places.setReservation(attempt, position);
						reservations.set(attempt, position);
					} else if (kind === "setOutcome") {
						places.setOutcome(attempt, position);
						outcomes.set(attempt, position);
					} else if (kind === "deleteOutcome") expect(places.deleteOutcome(attempt)).toBe(outcomes.delete(attempt));
					else {
						places.delete(attempt);
						reservations.delete(attempt);
						outcomes.delete(attempt);
					}
				}
				expect(places.size).toBe(new Set([...reservations.keys(), ...outcomes.keys()]).size);
				const asked = commands.map(({ attempt }) => attempt);
				expect(asked.map((attempt) => places.reservationOf(attempt))).toEqual(asked.map((attempt) => reservations.get(attempt)));
				expect(asked.map((attempt) => places.outcomeOf(attempt))).toEqual(asked.map((attempt) => outcomes.get(attempt)));
			}),
			// A shorter list that fails as well is minutes away, and its seed says enough.
			{ numRuns: 200, endOnFailure: true },
		);
	});

	it("are found where those before them are deleted", () => {
		const places = new AttemptPlaces();
		const attempts = Array.from({ length: 120 }, (_, index) => index ** 2);
		for (const attempt of attempts) places.setReservation(attempt, attempt + 7);
		for (const attempt of attempts.filter((_, index) => index % 2 === 0)) places.delete(attempt);
		const found = attempts.map((attempt) => places.reservationOf(attempt));
		expect(found).toEqual(attempts.map((attempt, index) => (index % 2 === 0 ? undefined : attempt + 7)));
	});

	it("take more room while many wait for the ledger, and give it back after", () => {
		const places = new AttemptPlaces();
		for (let attempt = 1; attempt <= 100_000; attempt += 1) places.setReservation(attempt, attempt * 3);
		expect(places.capacity).toBe(262_144);
		const attempts = Array.from({ length: 100_000 }, (_, index) => index + 1);
		expect(attempts.filter((attempt) => places.reservationOf(attempt) !== attempt * 3)).toEqual([]);
		for (let attempt = 1; attempt < 100_000; attempt += 1) places.delete(attempt);
		expect(places.capacity).toBe(256);
		expect(places.reservationOf(100_000)).toBe(300_000);
		expect(places.size).toBe(1);
	});

	it("keep one table for ever where calls come and go", () => {
		const places = new AttemptPlaces();
		const capacities = new Set<number>();
		for (let attempt = 1; attempt <= 10_000; attempt += 1) {
			places.setReservation(attempt, attempt);
			places.setOutcome(attempt, attempt + 1);
			if (attempt > 100) places.delete(attempt - 100);
			capacities.add(places.capacity);
		}
		expect([...capacities]).toEqual([256]);
	});
});
