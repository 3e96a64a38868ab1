import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newRecord } from "../../../../simulator/batches/desk.ts";
import { BatchDisk } from "../../../../simulator/batches/disk.ts";
import type { BatchRecord } from "../../../../simulator/batches/records.ts";
import { recoverWork, runItems, type Work } from "../../../../simulator/batches/work.ts";
import { CallLog } from "../../../../simulator/call-log.ts";
import { ProviderState } from "../../../../simulator/provider-state.ts";

/** What a kill may leave between the three writes of a step: work lines beyond the record, some of them billed, the last one torn. */

const ID = "batch_0a";
const ITEMS = 10;

let folder: string;
let logPath: string;

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "tollgate-work-"));
	logPath = join(folder, "calls.jsonl");
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As a process that was just started has it. */
function start(): Work {
	const state = new ProviderState(new CallLog(logPath), { pace: { latencyMs: 0, tokensPerSecond: 1 }, faultRates: {}, seed: 1 });
	return { disk: new BatchDisk(join(folder, "batches")), state, seed: 1 };
}

function begin({ disk }: Work): BatchRecord {
	const messages = [{ role: "user", content: "Hello" }];
	const lines = Array.from({ length: ITEMS }, (_, n) =>
		JSON.stringify({ custom_id: `item-${n + 1}`, body: { model: "gpt-4o", max_tokens: n === 2 ? -1 : 3, messages } }),
	);
	const path = disk.partialPath();
	writeFileSync(path, `${lines.join("\n")}\n`);
	const record = newRecord(
		{ disk },
		{
			id: ID,
			protocol: "openai",
			endpoint: "/v1/chat/completions",
			inputFileId: null,
			metadata: null,
			resultsKeptMs: 1,
			plan: {},
			phase: "running",
			total: ITEMS,
			startedAtMs: 0,
			createdAtMs: 0,
		},
	);
	disk.addBatchOfLines(record, path);
	return record;
}

const logged = () =>
	readFileSync(logPath, "utf8")
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => (JSON.parse(line) as { readonly attemptId: string }).attemptId);
const BILLED = Array.from({ length: ITEMS }, (_, n) => `item-${n + 1}`).filter((id) => id !== "item-3");

test.each([0, 1, 4, 8, 9])("a kill after %i of the bills: every item is billed once, and the record stands where the work does", async (bills) => {
	const killed = start();
	const before = await runItems(killed, begin(killed), { most: 1, atMs: 5 });
	const after = await runItems(killed, before, { most: ITEMS, atMs: 5 });
	expect(after).toMatchObject({ done: ITEMS, succeeded: 9, errored: 1 });
	killed.disk.changeBatch(ID, before);
	writeFileSync(logPath, `${readFileSync(logPath, "utf8").split("\n").slice(0, bills).join("\n")}\n`);
	const bytes = statSync(killed.disk.workPath(ID)).size;
	appendFileSync(killed.disk.workPath(ID), '{"n":11,"customId":"torn');
	const restarted = start();
	await recoverWork(restarted, before);
	expect(restarted.disk.batch(ID)).toEqual(after);
	expect(statSync(restarted.disk.workPath(ID)).size).toBe(bytes);
	expect(logged().slice().sort()).toEqual((bills === 0 ? BILLED.filter((id) => id !== "item-1") : BILLED).slice().sort());
	await recoverWork(restarted, after);
	expect(restarted.disk.batch(ID)).toEqual(after);
	expect(new Set(logged()).size).toBe(logged().length);
});

test("a line torn before anything was whole does not swallow the first item", async () => {
	const killed = start();
	const record = begin(killed);
	writeFileSync(killed.disk.workPath(ID), '{"n":1');
	const restarted = start();
	await recoverWork(restarted, record);
	await runItems(restarted, record, { most: ITEMS, atMs: 5 });
	const lines = readFileSync(restarted.disk.workPath(ID), "utf8").trimEnd().split("\n");
	expect(lines.map((line) => (JSON.parse(line) as { readonly n: number }).n)).toEqual(Array.from({ length: ITEMS }, (_, n) => n + 1));
	expect(logged()).toEqual(BILLED);
});

test("a start forgets what was half written, and the work of batches that nobody has", () => {
	const { disk } = start();
	const partial = disk.partialPath();
	writeFileSync(partial, "half");
	writeFileSync(disk.inputPath("batch_gone"), "{}");
	const again = new BatchDisk(join(folder, "batches"));
	expect(() => statSync(partial)).toThrow("ENOENT");
	expect(() => statSync(again.inputPath("batch_gone"))).toThrow("ENOENT");
});
