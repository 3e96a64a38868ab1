import { expect, it } from "vitest";
import type { Authority, ResolvedKey, TeamRecord } from "#activities/authority/port.ts";
import { Directory } from "#activities/request/directory.ts";

const KEY = { keyId: "key_test", teamId: "team", feature: null, userId: null, environment: null, models: null, endpoints: null, mayAssert: [] };
const TEAM: TeamRecord = { teamId: "team", isUnlimited: false, isDeleted: false, policy: {}, budgets: [], revision: 1n };
const KNOWN: ResolvedKey = { resolution: { kind: "known", key: KEY }, expiresInMs: null, maxAsserted: 0, team: TEAM };

/** An authority whose look-ups are answered when the test says so. */
function openDirectory(nowMs = () => 0) {
	const answers: ((key: ResolvedKey) => void)[] = [];
	const loaded: (readonly string[])[] = [];
	const capsAsked: number[] = [];
	const authority = {
		resolveKey: () => new Promise<ResolvedKey>((resolve) => answers.push(resolve)),
		loadTeams: async (teamIds: readonly string[]) => {
			loaded.push(teamIds);
			return teamIds.filter((teamId) => teamId !== "gone").map((teamId) => ({ ...TEAM, teamId, isDeleted: teamId === "deleted", revision: 2n }));
		},
		assertValue: async ({ maxAsserted }) => capsAsked.push(maxAsserted) > 0,
	} as Partial<Authority> as Authority;
	return { directory: new Directory(authority, nowMs), answers, loaded, capsAsked };
}

it.each(["key", "team"])("an answer that crosses a change of its %s is not kept: it is asked for again", async (changed) => {
	const { directory, answers } = openDirectory();
	const resolution = directory.resolveKey("tg-secret");
	if (changed === "key") directory.forgetKey(KEY.keyId);
	else await directory.reload(new Set(["team"]));
	answers[0]?.(KNOWN);
	await new Promise((resolve) => setImmediate(resolve));
	expect(answers).toHaveLength(2);
	answers[1]?.({ ...KNOWN, resolution: { kind: "refused", code: "key.revoked", message: "revoked" } });
	expect(await resolution).toMatchObject({ kind: "refused", code: "key.revoked" });
});

it("a key's end counts from before it was asked for, never later than PostgreSQL's", async () => {
	let nowMs = 0;
	const { directory, answers } = openDirectory(() => nowMs);
	const resolution = directory.resolveKey("tg-secret");
	nowMs = 400;
	answers[0]?.({ ...KNOWN, expiresInMs: 500 });
	await resolution;
	nowMs = 499;
	expect(directory.resolveKey("tg-secret")).toMatchObject({ kind: "known" });
	nowMs = 500;
	expect(directory.resolveKey("tg-secret")).toBeInstanceOf(Promise);
});

it("reads many teams again in few round trips, and forgets those that are gone", async () => {
	const { directory, answers, loaded } = openDirectory();
	const teamIds = [...Array.from({ length: 449 }, (_, index) => `team${index}`), "gone"];
	for (const [index, teamId] of teamIds.entries()) {
		const resolution = directory.resolveKey(`tg-${teamId}`);
		answers[index]?.({ ...KNOWN, team: { ...TEAM, teamId } });
		await resolution;
	}
	await directory.reload(null);
	expect(loaded.map((asked) => asked.length)).toEqual([200, 200, 50]);
	expect([directory.team("gone"), directory.team("team7")?.record.revision]).toEqual([undefined, 2n]);
});

it("keeps the newer of two readings of a team, whichever comes last", async () => {
	const { directory, answers } = openDirectory();
	const policyOf = (revision: bigint, admissionWaitMs: number) => ({ ...KNOWN, team: { ...TEAM, revision, policy: { admissionWaitMs } } });
	const resolutions = [directory.resolveKey("tg-one"), directory.resolveKey("tg-two")];
	answers[1]?.(policyOf(7n, 700));
	await resolutions[1];
	answers[0]?.(policyOf(6n, 600));
	await resolutions[0];
	expect([directory.team("team")?.record.revision, directory.policy("team").admissionWaitMs]).toEqual([7n, 700]);
});

it("asks again for a key it did not know when any key changes: it may exist now", async () => {
	const { directory, answers } = openDirectory();
	const resolutions = [directory.resolveKey("tg-new"), directory.resolveKey("tg-known")];
	answers[0]?.({ resolution: { kind: "refused", code: "key.invalid", message: "unknown" }, expiresInMs: null, maxAsserted: 0, team: undefined });
	answers[1]?.(KNOWN);
	for (const resolution of resolutions) await resolution;
	expect(directory.resolveKey("tg-new")).toMatchObject({ kind: "refused" });
	directory.forgetKey("key_other");
	expect(directory.resolveKey("tg-known")).toMatchObject({ kind: "known" });
	expect(directory.resolveKey("tg-new")).toBeInstanceOf(Promise);
});

it("a deleted team's keys end with it also where they were known, and come back with it", async () => {
	const { directory, answers } = openDirectory();
	const answer = async (key: ResolvedKey) => {
		const resolution = directory.resolveKey("tg-secret");
		answers.at(-1)?.(key);
		return resolution;
	};
	const team = { ...TEAM, teamId: "deleted" };
	const known: ResolvedKey = { ...KNOWN, resolution: { kind: "known", key: { ...KEY, teamId: "deleted" } }, team };
	expect(await answer(known)).toMatchObject({ kind: "known" });
	await directory.reload(new Set(["deleted"]));
	const refused: ResolvedKey = {
		resolution: { kind: "refused", code: "key.invalid", message: "not known" },
		expiresInMs: null,
		maxAsserted: 0,
		team: undefined,
	};
	expect(await answer(refused)).toMatchObject({ kind: "refused", code: "key.invalid" });
	expect(directory.resolveKey("tg-secret")).toMatchObject({ kind: "refused", code: "key.invalid" });
	await directory.reload(new Set(["deleted"]));
	expect(await answer(known)).toMatchObject({ kind: "known" });
});

it("a change of a key forgets all its secrets, also the derived ones, and no other key's; a change of a team forgets none", async () => {
	const { directory, answers } = openDirectory();
	const answer = (secret: string, keyId: string) => {
		const resolution = directory.resolveKey(secret);
		answers.at(-1)?.({ ...KNOWN, resolution: { kind: "known", key: { ...KEY, keyId } } });
		return resolution;
	};
	for (const secret of ["tg-parent", "tg-child-1", "tg-child-2"]) await answer(secret, "key_parent");
	await answer("tg-other", "key_other");
	await directory.reload(new Set(["team"]));
	for (const secret of ["tg-parent", "tg-child-1", "tg-other"]) expect(directory.resolveKey(secret)).toMatchObject({ kind: "known" });
	directory.forgetKey("key_parent");
	for (const secret of ["tg-parent", "tg-child-1", "tg-child-2"]) expect(directory.resolveKey(secret)).toBeInstanceOf(Promise);
	expect(directory.resolveKey("tg-other")).toMatchObject({ kind: "known" });
});

it("what a key may assert is known as long as one of its secrets is", async () => {
	let nowMs = 0;
	const { directory, answers, capsAsked } = openDirectory(() => nowMs);
	const asserting = { ...KEY, mayAssert: ["user"] } as const;
	for (const [index, expiresInMs] of [500, null].entries()) {
		const resolution = directory.resolveKey(`tg-${index}`);
		answers[index]?.({ ...KNOWN, resolution: { kind: "known", key: asserting }, expiresInMs, maxAsserted: 3 });
		await resolution;
	}
	nowMs = 500;
	const again = directory.resolveKey("tg-0");
	answers[2]?.({ ...KNOWN, resolution: { kind: "refused", code: "key.expired", message: "expired" } });
	expect(await again).toMatchObject({ kind: "refused" });
	await directory.mayAssertValue(asserting, "user", "u1");
	directory.forgetKey(KEY.keyId);
	await directory.mayAssertValue(asserting, "user", "u2");
	expect(capsAsked).toEqual([3, 0]);
});

it("a team's limits come with its policy, absent where it has none, and a throttle ends counted from before it was asked for", async () => {
	let nowMs = 1_000;
	const { directory, answers } = openDirectory(() => nowMs);
	const resolutions = [directory.resolveKey("tg-one"), directory.resolveKey("tg-two")];
	nowMs = 1_400;
	const limits = { rates: [{ dimension: "team", requestsPerMinute: 5 }] };
	const throttles = [{ dimension: "user" as const, value: "ann", requestsPerMinute: 2, endsInMs: 500 }];
	answers[0]?.({ ...KNOWN, team: { ...TEAM, limits, throttles } });
	answers[1]?.({ ...KNOWN, team: { ...TEAM, teamId: "free", limits: {} } });
	for (const resolution of resolutions) await resolution;
	expect(directory.policy("team").limits?.rates).toMatchObject([
		{ measure: "requests", dimension: "team", limit: 5, isThrottle: false },
		{ measure: "requests", dimension: "user", dimensionValue: "ann", limit: 2, endsAtMs: 1_500, isThrottle: true },
	]);
	expect(directory.policy("free").limits).toBeUndefined();
});

it("of a connection that shows one key after the other each is looked up as itself", async () => {
	const { directory, answers } = openDirectory();
	const connection = {};
	const first = directory.resolveKey("tg-one", connection);
	answers[0]?.(KNOWN);
	await first;
	const other = directory.resolveKey("tg-two", connection);
	expect(other).toBeInstanceOf(Promise);
	answers[1]?.({ ...KNOWN, resolution: { kind: "known", key: { ...KEY, keyId: "key_other" } } });
	expect(await other).toMatchObject({ key: { keyId: "key_other" } });
	for (const [secret, keyId] of [
		["tg-one", "key_test"],
		["tg-two", "key_other"],
		["tg-two", "key_other"],
		["tg-one", "key_test"],
	] as const)
		expect(directory.resolveKey(secret, connection)).toMatchObject({ kind: "known", key: { keyId } });
});

it("a key that changed is looked up again on the connection that shows it too", async () => {
	const { directory, answers } = openDirectory();
	const connection = {};
	const resolution = directory.resolveKey("tg-secret", connection);
	answers[0]?.(KNOWN);
	await resolution;
	expect(directory.resolveKey("tg-secret", connection)).toMatchObject({ kind: "known" });
	directory.forgetKey(KEY.keyId);
	expect(directory.resolveKey("tg-secret", connection)).toBeInstanceOf(Promise);
});
