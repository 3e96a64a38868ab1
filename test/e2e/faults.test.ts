import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CallEnd, type SteadyTraffic, startSteadyTraffic } from "#test/support/steady-traffic.ts";
import { type System, startSystem, tollgate, verify } from "#test/support/system.ts";
import { until } from "#test/support/until.ts";
import type { Endpoints } from "../../scripts/start/endpoints.ts";

/** One system of two gateways under steady traffic, while its processes are killed one after another. */
let system: System;
let traffic: SteadyTraffic;

beforeAll(async () => {
	system = await startSystem({ TOLLGATE_GATEWAYS: "2", TOLLGATE_DEMO_LIMIT_USD: "1000" });
	const { gateway, demoKey } = system.endpoints();
	traffic = startSteadyTraffic({ gateway, key: demoKey });
	await until("the first calls", () => traffic.served() > 20);
}, 120_000);

afterAll(async () => {
	await traffic?.stop();
	await system?.close();
});

type Pids = Endpoints["pids"];
type Fault = {
	readonly name: string;
	readonly victim: (pids: Pids) => number | null | undefined;
	/** What a call may end with meanwhile. */
	readonly allows: (end: CallEnd) => boolean;
	/** The restarted process itself does its work. */
	readonly worksAgain: () => Promise<boolean>;
};

const isServed = ({ status }: CallEnd): boolean => status === 200;
const isBroken = ({ status }: CallEnd): boolean => status === 0;
const isServerError = ({ status }: CallEnd): boolean => status >= 500;
const setLimit = (usd: string): string[] => ["budget", "set", "--team", "demo", "--limit", usd, "--window", "day"];
const succeeds = async (...args: string[]): Promise<boolean> => (await tollgate(system, args)).exitCode === 0;

/** The kernel decides which gateway takes a connection, so new ones are made until an attempt carries the identity's second epoch. */
async function isServedBy(attemptPrefix: string): Promise<boolean> {
	const { gateway, demoKey, simulatedProvider } = system.endpoints();
	const body = JSON.stringify({ model: "gpt-4o-mini", max_tokens: 5, messages: [{ role: "user", content: "hello" }] });
	const answer = await fetch(`${gateway}/v1/chat/completions`, {
		method: "POST",
		headers: { authorization: `Bearer ${demoKey}`, "content-type": "application/json", connection: "close" },
		body,
	});
	await answer.arrayBuffer();
	return readFileSync(simulatedProvider?.callLog ?? "", "utf8").includes(`"attemptId":"${attemptPrefix}`);
}

const FAULTS: readonly Fault[] = [
	{ name: "one gateway", victim: (pids) => pids.gateways[0], allows: (end) => isServed(end) || isBroken(end), worksAgain: () => isServedBy("g1-2-") },
	{ name: "the worker", victim: (pids) => pids.worker, allows: isServed, worksAgain: () => succeeds(...setLimit("1001")) },
	{
		name: "PostgreSQL",
		victim: (pids) => pids.postgres,
		allows: (end) => isServed(end) || (end.status === 503 && end.code === "authority.unreachable"),
		worksAgain: () => succeeds("spend", "--by", "team"),
	},
	{ name: "Temporal", victim: (pids) => pids.temporal, allows: isServed, worksAgain: () => succeeds(...setLimit("1002")) },
	{
		name: "the provider",
		victim: (pids) => pids.provider,
		allows: (end) => isServed(end) || isBroken(end) || isServerError(end),
		worksAgain: async () => true,
	},
];

describe("kill -9 under steady traffic", () => {
	for (const { name, victim, allows, worksAgain } of FAULTS) {
		it(`of ${name}: it is started again, its new pid is told, calls are served, and none is refused for money`, async () => {
			const killed = victim(system.endpoints().pids);
			const endsBefore = traffic.ends().length;
			process.kill(killed ?? expect.fail("a process to kill"), "SIGKILL");
			await until("the new pid in endpoints.json", () => {
				const pid = victim(system.endpoints().pids);
				return typeof pid === "number" && pid !== killed;
			});
			await until(`the work of ${name}`, worksAgain, 60_000);
			const servedAgain = traffic.served();
			await until("calls served again", () => traffic.served() >= servedAgain + 20);
			expect(
				traffic
					.ends()
					.slice(endsBefore)
					.filter((end) => !allows(end)),
			).toEqual([]);
		}, 120_000);
	}

	it("leaves books that balance with the provider's own log", async () => {
		await traffic.stop();
		expect(traffic.served()).toBeGreaterThan(150);
		expect(await verify(system)).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, pendingPastTime: 0 });
		// What nobody knew when it happened is known from the log and charged at its cost; what the log lacks may, for all that is
		// known, still be running: it stays charged.
		expect(await verify(system, ["--resolve"])).toMatchObject({ ok: true, estimated: 0 });
	}, 60_000);
});
