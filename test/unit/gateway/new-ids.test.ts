import { expect, test } from "vitest";
import { BATCH_ID_PATTERN, FILE_ID_PATTERN } from "#domain/batching/batch.ts";
import { newBatchId, newFileId } from "#gateway/batches/new-ids.ts";

test("ids have the form they are looked up by, and none is given twice", () => {
	const ids = Array.from({ length: 2_000 }, () => [newFileId(), newBatchId("openai"), newBatchId("anthropic")]);
	for (const [file = "", openai = "", anthropic = ""] of ids) {
		expect(file).toMatch(FILE_ID_PATTERN);
		expect(openai).toMatch(/^batch_/);
		expect(anthropic).toMatch(/^msgbatch_/);
		expect([openai, anthropic].every((id) => BATCH_ID_PATTERN.test(id))).toBe(true);
	}
	expect(new Set(ids.flat()).size).toBe(6_000);
	const letters = new Set(ids.flat().flatMap((id) => id.slice(-24).split("")));
	expect(letters.size).toBe(62);
});
