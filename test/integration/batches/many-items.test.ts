import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { boundItems } from "#activities/batches/lines/bound-items.ts";
import { FileChecker } from "#activities/batches/lines/check-file.ts";
import { readCustomIds } from "#activities/batches/lines/custom-ids.ts";
import { joinOutputs } from "#activities/batches/lines/join-outputs.ts";
import { writeLines } from "#activities/batches/lines/write-lines.ts";
import { attemptIdOf } from "#domain/batching/attempt-of-item.ts";
import type { ResultLine } from "#domain/batching/item-result.ts";
import { itemRules } from "#test/support/batch-deployments.ts";
import { anthropicRequest, messageBody, openAiLine } from "#test/support/batch-lines.ts";

/** 50,000 items: 100 MB go through each step, and no more than a part of them may be reachable at a time. */
const ITEMS = 50_000;
const PADDING = "x".repeat(1_900);
const HELD_BYTES_MAX = 40_000_000;
const LIMITS = { itemsMax: ITEMS, bytesMax: 256 * 1024 * 1024, embeddingInputsMax: undefined };
const LINE = openAiLine("CUSTOM-ID", {}, { model: "gpt-4o", max_tokens: 5, messages: [{ role: "user", content: PADDING }] });
const FILE_BYTES = ITEMS * (LINE.length + 1);

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

/** What is reachable beyond what was at first, at its most; looked at while bytes pass. */
class Held {
	readonly #atFirst = Held.#reachable();
	mostBytes = 0;

	static #reachable(): number {
		// What a collection frees of buffers is counted as freed once the next one has waited for its sweep.
		collect();
		collect();
		const { heapUsed, arrayBuffers } = process.memoryUsage();
		return heapUsed + arrayBuffers;
	}

	async *watch<Piece>(source: AsyncIterable<Piece>, { everyPieces = 500 } = {}): AsyncGenerator<Piece> {
		let pieces = 0;
		for await (const piece of source) {
			pieces += 1;
			if (pieces % everyPieces === 0) this.mostBytes = Math.max(this.mostBytes, Held.#reachable() - this.#atFirst);
			yield piece;
		}
	}
}

/** `text` of each item, 20 at a time. */
async function* each(text: (n: number) => string, items = ITEMS): AsyncGenerator<Uint8Array> {
	for (let first = 1; first <= items; first += 20)
		yield Buffer.from(Array.from({ length: Math.min(20, items - first + 1) }, (_, index) => text(first + index)).join(""));
}

const file = (): AsyncGenerator<Uint8Array> => each((n) => `${LINE.replace("CUSTOM-ID", `id-${n}`)}\n`);

async function drain(source: AsyncIterable<Uint8Array>): Promise<number> {
	let bytes = 0;
	for await (const piece of source) bytes += piece.length;
	return bytes;
}

test("a file is checked, bounded and written for its provider in bounded memory", async () => {
	const held = new Held();
	const checker = new FileChecker({ form: "openai", limits: LIMITS, lineBytesMax: 100_000 });
	const storedBytes = await drain(checker.through(held.watch(file())));
	expect(checker.result).toMatchObject({ kind: "accepted", lines: ITEMS, bytes: storedBytes });
	let items = 0;
	const bound = await boundItems(held.watch(file()), itemRules(), async (more) => {
		items += more.length;
	});
	expect([bound.kind, items]).toEqual(["bounded", ITEMS]);
	const tries = Array.from({ length: ITEMS }, (_, index) => ({ n: index + 1, tryNumber: 1 }));
	const part = {
		protocol: "openai",
		endpoint: "chat.completions",
		batchNumber: "1",
		items: ITEMS,
		deploymentModel: "house-model",
		tries,
		lineBytesMax: 100_000,
	} as const;
	expect(await drain(writeLines(held.watch(file()), part))).toBeGreaterThan(FILE_BYTES);
	expect(FILE_BYTES).toBeGreaterThan(100_000_000);
	expect(held.mostBytes).toBeLessThan(HELD_BYTES_MAX);
});

test("the body of a message batch is cut into requests in bounded memory", async () => {
	const held = new Held();
	const checker = new FileChecker({ form: "anthropic", limits: LIMITS, lineBytesMax: 100_000 });
	const request = (n: number): string =>
		`${n === 1 ? '{"requests":[' : ","}${anthropicRequest(`id-${n}`, messageBody({ system: PADDING }))}${n === ITEMS ? "]}" : ""}`;
	expect(await drain(checker.through(held.watch(each(request))))).toBeGreaterThan(100_000_000);
	expect(checker.result).toMatchObject({ kind: "accepted", lines: ITEMS });
	expect(held.mostBytes).toBeLessThan(HELD_BYTES_MAX);
});

test("outputs are joined in bounded memory, results in any order", async () => {
	const held = new Held();
	const customIds = await readCustomIds(held.watch(file()), { lineBytesMax: 100_000 });
	expect([customIds.length, customIds.at(-1)]).toEqual([ITEMS, `id-${ITEMS}`]);
	const body = JSON.stringify({ text: PADDING });
	/** A stride without a common factor visits every item once. */
	async function* results(): AsyncGenerator<ResultLine> {
		for (let index = 0; index < ITEMS; index += 1) {
			const n = ((index * 7_919) % ITEMS) + 1;
			yield {
				kind: "item",
				customId: attemptIdOf({ batchNumber: "1", items: ITEMS, n, tryNumber: 1 }),
				result: { kind: "succeeded", httpStatus: 200, requestId: null, body },
			};
		}
	}
	const joined = await joinOutputs({
		batchId: "batch_x",
		batchNumber: "1",
		items: ITEMS,
		form: "openai",
		customIds,
		isEnding: () => true,
		absent: () => undefined,
		openParts: [() => held.watch(results(), { everyPieces: 10_000 })],
	});
	expect(joined.counts).toEqual({ open: 0, succeeded: ITEMS, errored: 0, expired: 0, cancelled: 0 });
	expect(await drain(joined.write("output"))).toBeGreaterThan(100_000_000);
	expect(held.mostBytes).toBeLessThan(HELD_BYTES_MAX);
});
