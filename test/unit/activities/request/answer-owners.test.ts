import { expect, test } from "vitest";
import { AnswerOwners } from "#activities/request/answer-owners.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

function ownersOver(isAnswerOf: (answerId: string, teamId: string, ask: number) => boolean): {
	owners: AnswerOwners;
	counters: { sqlRoundTripsBeforeSend: number };
} {
	const counters = { sqlRoundTripsBeforeSend: 0 };
	const authority = {
		isAnswerOf: async (asked: { answerId: string; teamId: string }) => isAnswerOf(asked.answerId, asked.teamId, counters.sqlRoundTripsBeforeSend),
	};
	return { counters, owners: new AnswerOwners({ authority, counters, nowMs: () => performance.now() }) };
}

test("a recent answer of this gateway is known at once, and to its team alone", async () => {
	const { owners, counters } = ownersOver(() => false);
	owners.remember("blue", "resp_1");
	expect(owners.owns("blue", "resp_1")).toBe(true);
	expect(counters.sqlRoundTripsBeforeSend).toBe(0);
	expect(await owners.owns("red", "resp_1")).toBe(false);
});

test("an answer of another gateway costs one look-up, once", async () => {
	const { owners, counters } = ownersOver((answerId, teamId) => answerId === "resp_2" && teamId === "blue");
	expect(await owners.owns("blue", "resp_2")).toBe(true);
	expect(owners.owns("blue", "resp_2")).toBe(true);
	expect(counters.sqlRoundTripsBeforeSend).toBe(1);
});

test("an answer on its way to the ledger is waited for, one of nobody only so long", async () => {
	const late = ownersOver((_answerId, _teamId, ask) => ask >= 3);
	expect(await late.owners.owns("blue", "resp_3")).toBe(true);
	const never = ownersOver(() => false);
	expect(await never.owners.owns("blue", "resp_4")).toBe(false);
	expect(never.counters.sqlRoundTripsBeforeSend).toBeGreaterThan(1);
});

test("the oldest are forgotten first, and then looked up again", async () => {
	const { owners, counters } = ownersOver(() => true);
	for (let index = 0; index <= 50_000; index += 1) owners.remember("blue", `resp_${index}`);
	expect(owners.owns("blue", "resp_1")).toBe(true);
	expect(counters.sqlRoundTripsBeforeSend).toBe(0);
	expect(await owners.owns("blue", "resp_0")).toBe(true);
	expect(counters.sqlRoundTripsBeforeSend).toBe(1);
});

test("an authority that does not answer proves nothing", async () => {
	const authority = { isAnswerOf: () => Promise.reject(new CostControlError("authority.unreachable", "away")) };
	const owners = new AnswerOwners({ authority, counters: { sqlRoundTripsBeforeSend: 0 }, nowMs: () => performance.now() });
	await expect(owners.owns("blue", "resp_1")).rejects.toMatchObject({ code: "authority.unreachable" });
});
