import { describe, expect, test } from "vitest";
import {
	decideRecordEnd,
	decideRepeat,
	isIdempotencyKey,
	KEPT_ANSWER_BYTES_MAX,
	type KnownRecord,
	type MoneyEnd,
	type RepeatDecision,
} from "#domain/idempotency/decide.ts";

const record = (changes: Partial<KnownRecord>): KnownRecord => ({ state: "open", isSameRequest: true, isHolderLive: true, reason: null, ...changes });

describe("a key that is taken", () => {
	const cases: readonly (readonly [string, Partial<KnownRecord>, RepeatDecision])[] = [
		["answered", { state: "answered" }, { kind: "replay" }],
		["answered by a gateway that is gone", { state: "answered", isHolderLive: false }, { kind: "replay" }],
		["open and its holder lives", {}, { kind: "in_flight" }],
		["open and its holder is gone", { isHolderLive: false }, { kind: "outcome_unknown", reason: "interrupted" }],
		["charged", { state: "unknown", reason: "charged" }, { kind: "outcome_unknown", reason: "charged" }],
		["answered above the limit", { state: "unknown", reason: "too_large" }, { kind: "outcome_unknown", reason: "too_large" }],
		["another request, answered", { state: "answered", isSameRequest: false }, { kind: "mismatch" }],
		["another request, open", { isSameRequest: false }, { kind: "mismatch" }],
		["another request, unknown", { state: "unknown", reason: "charged", isSameRequest: false }, { kind: "mismatch" }],
	];
	test.each(cases)("%s", (_name, changes, decision) => expect(decideRepeat(record(changes))).toEqual(decision));
});

describe("what a call leaves behind", () => {
	const whole = { isWhole: true, answerBytes: 10 };

	test("nothing where nothing was sent or billed, whatever the caller received", () => {
		expect(decideRecordEnd({ money: "unsent", ...whole })).toEqual({ kind: "removed" });
		expect(decideRecordEnd({ money: "unsent", isWhole: false, answerBytes: 0 })).toEqual({ kind: "removed" });
	});

	test("its answer where it was settled, complete and at most 1 MiB", () => {
		expect(decideRecordEnd({ money: "settled", ...whole })).toEqual({ kind: "answered" });
		expect(decideRecordEnd({ money: "settled", isWhole: true, answerBytes: KEPT_ANSWER_BYTES_MAX })).toEqual({ kind: "answered" });
		expect(decideRecordEnd({ money: "settled", isWhole: true, answerBytes: KEPT_ANSWER_BYTES_MAX + 1 })).toEqual({ kind: "unknown", reason: "too_large" });
	});

	test.each<[MoneyEnd, boolean]>([
		["charged", true],
		["charged", false],
		["open", true],
		["open", false],
		["settled", false],
	])("that its outcome is unknown where the money is %s and the answer whole is %s", (money, isWhole) => {
		expect(decideRecordEnd({ money, isWhole, answerBytes: 10 })).toEqual({ kind: "unknown", reason: "charged" });
	});
});

test("a key has 1 to 255 printable ASCII characters", () => {
	for (const key of ["a", "x".repeat(255), 'a "quoted" key~', "8e03978e-40d5-43dd-bc93-6894a57f9324"]) expect(isIdempotencyKey(key)).toBe(true);
	for (const key of ["", "x".repeat(256), "a\tb", "schlüssel", "a\u007f"]) expect(isIdempotencyKey(key)).toBe(false);
});
