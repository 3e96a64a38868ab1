import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ChildCall } from "../support/batch-job-child.ts";
import { BatchJobWorld } from "../support/batch-job-world.ts";
import { startTestTemporal, type TestTemporal, testWorkflowBundle } from "../support/temporal.ts";

/** A worker that is killed in the middle of whatever its batches do, and started again each time. */
let temporal: TestTemporal;
let folder: string;
const children: ChildProcess[] = [];

beforeAll(async () => {
	temporal = await startTestTemporal();
	folder = await mkdtemp(path.join(tmpdir(), "tollgate-batches-"));
	await writeFile(path.join(folder, "bundle.js"), (await testWorkflowBundle()).code);
}, 120_000);
afterAll(async () => {
	for (const child of children) child.kill("SIGKILL");
	await rm(folder, { recursive: true });
	await temporal?.close();
});

/** Kills before a call is carried out, and after it was but nobody heard; about twice in the life of each batch. */
const KILLS = [
	{ atCall: 12, isDone: false },
	{ atCall: 47, isDone: true },
	{ atCall: 92, isDone: false },
	{ atCall: 150, isDone: true },
];

test("batches end as if nothing had happened: each item once, each part created once, nothing held", async () => {
	const world = new BatchJobWorld(temporal, ["openai", "anthropic", "openai", "anthropic", "openai", "anthropic"]);
	await world.begin();
	let isOver = false;
	const ending = world.ended().finally(() => {
		isOver = true;
	});
	const kills = [...KILLS];
	let calls = 0;
	while (!isOver) {
		const child = fork(path.join(import.meta.dirname, "../support/batch-job-child.ts"), [temporal.address, path.join(folder, "bundle.js")], {
			serialization: "advanced",
			stdio: ["ignore", "inherit", "inherit", "ipc"],
		});
		children.push(child);
		child.on("message", (call: ChildCall) => {
			const kill = kills[0] !== undefined && ++calls >= kills[0].atCall ? kills.shift() : undefined;
			if (kill?.isDone === false) {
				child.kill("SIGKILL");
				return;
			}
			void world.answer(call).then((reply) => {
				if (kill !== undefined) child.kill("SIGKILL");
				else if (child.connected) child.send(reply);
			});
		});
		void ending.then(() => child.kill("SIGTERM"));
		await once(child, "exit");
	}
	await ending;
	expect(kills).toEqual([]);
	for (const { store, provider, batchId } of world.stands.values()) {
		const record = await store.read(batchId);
		expect(record).toMatchObject({ state: "completed", heldNanoUsd: "0", counts: { succeeded: 5, open: 0 } });
		expect(store.heldNanoUsd(batchId)).toBe(0n);
		expect(store.entries.map(({ attemptId }) => attemptId).toSorted()).toEqual(provider.billed.toSorted());
		// A kill just before a creation leaves a part that is nowhere at the provider: its items go again as another part, never twice.
		const created = [...provider.batches.values()];
		expect(new Set(created.map(({ token }) => token)).size).toBe(2);
		expect(created.flatMap(({ customIds }) => customIds.map(({ name }) => name)).toSorted()).toEqual(["i-1", "i-2", "i-3", "i-4", "i-5"]);
	}
}, 170_000);
