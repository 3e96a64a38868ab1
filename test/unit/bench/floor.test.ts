import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Pacer } from "../../../bench/driver/pacer.ts";
import { runWindow } from "../../../bench/driver/window.ts";
import { judgeLane } from "../../../bench/judge/lane-verdict.ts";
import { probeLane, requestBody } from "../../../bench/lanes/probe.ts";
import { LaneServer } from "../../../bench/provider/lane-server.ts";

const folder = mkdtempSync(path.join(tmpdir(), "bench-floor-"));
const callLog = path.join(folder, "calls.jsonl");
const provider = new LaneServer(callLog);
const pacer = new Pacer();
let floor: ChildProcess;
let port = 0;

beforeAll(async () => {
	await new Promise<void>((resolve) => provider.server.listen(0, "127.0.0.1", resolve));
	const upstream = `http://127.0.0.1:${(provider.server.address() as AddressInfo).port}`;
	floor = spawn(process.execPath, [path.join(import.meta.dirname, "../../../bench/floor.ts"), upstream], { stdio: ["ignore", "pipe", "inherit"] });
	if (floor.stdout === null) throw new Error("no stdout");
	for await (const line of createInterface({ input: floor.stdout })) {
		port = Number(new URL((JSON.parse(line) as { url: string }).url).port);
		break;
	}
});

afterAll(async () => {
	const ended = once(floor, "exit");
	floor.kill();
	await Promise.all([ended, pacer.close(), provider.close()]);
	rmSync(folder, { recursive: true, force: true });
});

test("the floor passes whole answers, large prompts and streams byte for byte, and the provider's log holds every call", async () => {
	const endpoint = { port, path: "/v1/chat/completions", authorizations: ["Bearer none"], headers: {} };
	let calls = 0;
	for (const [isStream, promptBytes] of [
		[false, 256],
		[false, 65_536],
		[true, 256],
	] as const) {
		provider.mode = { latencyMs: 0, isStream };
		const answer = await probeLane({ kind: "floor", endpoint }, isStream);
		const target = { ...endpoint, requestBody: requestBody(promptBytes, isStream), answer };
		const window = { target, isStream, firstCall: 1_000 + calls, durationMs: 100, connections: 16, ratePerSecond: 100 };
		const result = await runWindow(window, pacer);
		expect([result.right, result.wrong, result.failed]).toEqual([result.sent, 0, 0]);
		if (isStream) expect(result.firstTokensNs.length).toBe(result.sent);
		calls += result.sent;
	}
	const good = { sent: calls, right: calls, wrong: 0, failed: 0, failures: {} };
	expect(await judgeLane({ databaseUrl: undefined }, good, callLog)).toMatchObject({ voidBecause: [], billed: calls });
	expect((await judgeLane({ databaseUrl: undefined }, { ...good, sent: calls + 1 }, callLog)).voidBecause).toEqual([
		`${calls + 1} calls sent, ${calls} in the provider's log`,
	]);
	const failed = { ...good, wrong: 1, failed: 3, failures: { "the connection was closed": 2, "status 503": 1 } };
	expect((await judgeLane({ databaseUrl: undefined }, failed, callLog)).voidBecause).toEqual([
		"1 answers with the wrong bytes",
		"3 calls without an answer of status 200 (2 x the connection was closed, 1 x status 503)",
	]);
});
