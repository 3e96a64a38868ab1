import { expect, test } from "vitest";
import { decideBooking } from "#domain/batching/decide-booking.ts";

const open = { tryNumber: 2, outcome: null };
const ended = { tryNumber: 2, outcome: "succeeded" } as const;
const billed = { tryNumber: 2, outcome: "succeeded", isBilled: true, isBooked: false } as const;
const unbilled = { tryNumber: 2, outcome: "expired", isBilled: false, isBooked: false } as const;

test.each([
	["the newest try, answered", open, billed, "ends"],
	["the newest try, not billed", open, unbilled, "ends"],
	["an older try, answered: it is an answer", open, { ...billed, tryNumber: 1 }, "ends"],
	["an older try, not billed: the newer one runs", open, { ...unbilled, tryNumber: 1 }, "ignored"],
	["an older try, an error that was billed: the newer one runs", open, { ...billed, outcome: "errored", tryNumber: 1 }, "duplicate"],
	["a try that no part carried, not billed: it ends before it was sent", { tryNumber: 0, outcome: null }, { ...unbilled, tryNumber: 1 }, "ends"],
	["a try that is booked", ended, { ...billed, isBooked: true }, "ignored"],
	["a try that is booked, of an item that is open again", open, { ...billed, isBooked: true }, "ignored"],
	["another try that was billed", ended, { ...billed, tryNumber: 1 }, "duplicate"],
	["another try that was not", ended, { ...unbilled, tryNumber: 1 }, "ignored"],
	["a bill for what ended as not billed", { tryNumber: 2, outcome: "expired" }, billed, "duplicate"],
	["a try that is lost, of an item that is open", open, { ...billed, outcome: "errored", isLost: true }, "ends"],
	["a try that is lost, of an item that has an outcome after all", ended, { ...billed, outcome: "errored", tryNumber: 1, isLost: true }, "ignored"],
] as const)("%s", (_name, item, result, decision) => {
	expect(decideBooking(item, result)).toBe(decision);
});
