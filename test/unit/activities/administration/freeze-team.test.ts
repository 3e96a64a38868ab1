import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Administration } from "#activities/administration/port.ts";
import { freezeTeam } from "#activities/administration/teams.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** The organisation, whose workflow takes a freeze as `freeze` says. */
function freezing(freeze: () => Promise<unknown>): Promise<{ readonly isWorkflowTold: boolean }> {
	const row = { id: "@organization", seq: "1", revision: "1", behind: "0", isFrozen: true, policy: {}, limits: {}, createdAt: new Date() };
	const administration = { database: { query: async () => ({ rows: [row] }) }, governor: { freeze }, adminName: "ada" };
	return freezeTeam(administration as unknown as Administration, "@organization", { isFrozen: true, reason: "runaway" });
}

it("answers when the workflow has taken it, and when it refuses it", async () => {
	expect(await freezing(async () => ({ revision: 1 }))).toMatchObject({ isWorkflowTold: true });
	expect(await freezing(() => Promise.reject(new CostControlError("governance.unreachable", "away")))).toMatchObject({ isWorkflowTold: false });
	await expect(freezing(() => Promise.reject(new TypeError("a mistake of ours")))).rejects.toThrow("a mistake of ours");
	expect(vi.getTimerCount()).toBe(0);
});

it("does not wait out Temporal's deadline where nobody answers", async () => {
	let answer: unknown;
	const telling = Promise.withResolvers<unknown>();
	const frozen = freezing(() => telling.promise).then((result) => {
		answer = result;
	});
	await vi.advanceTimersByTimeAsync(4_900);
	expect(answer).toBeUndefined();
	await vi.advanceTimersByTimeAsync(200);
	await frozen;
	expect(answer).toMatchObject({ isWorkflowTold: false });
	// What comes of it later is nobody's business any more.
	telling.reject(new Error("the deadline is over"));
	await vi.advanceTimersByTimeAsync(1);
});
