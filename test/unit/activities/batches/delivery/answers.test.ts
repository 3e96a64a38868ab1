import { expect, test } from "vitest";
import { answerKey } from "#activities/batches/lines/deferred-blobs.ts";
import type { ItemResult } from "#domain/batching/item-result.ts";
import { driveJob, type JobStand, type JobStandOptions, openJobStand } from "#test/support/batch-job-stand.ts";
import { deferredIdOf } from "#test/support/memory-batches.ts";

const said = (name: string): ItemResult => ({ kind: "succeeded", httpStatus: 200, requestId: "req-1", body: `{"usage": 1,\t"said": "é ${name}"}` });

function collected(options: JobStandOptions = {}): JobStand {
	return openJobStand({ origin: "collected", items: 6, script: { itemOf: said, itemsMax: 4, ...options.script }, ...options });
}

/** What its caller reads: the status, and the bytes as they lie there. */
function answerTo({ store, blobs, batchId }: JobStand, n: number): { readonly status: number | undefined; readonly body: string | undefined } {
	const answer = store.answers(batchId)[n - 1];
	if (answer !== undefined) expect(answer.answerBlobKey).toBe(answerKey("search", deferredIdOf(n)));
	return { status: answer?.httpStatus, body: blobs.blobs.get(answerKey("search", deferredIdOf(n)))?.toString("utf8") };
}
const bodiesOf = ({ blobs }: JobStand) => [...blobs.blobs.keys()].filter((key) => key.endsWith("/body"));

test("each item of a collected batch is sent with its own body, and answered with the provider's bytes", async () => {
	for (const protocol of ["openai", "anthropic"] as const) {
		const stand = collected({ protocol });
		await driveJob(stand);
		const [request] = stand.blobs.lines(`search/batches/${stand.batchId}/part-2.jsonl`);
		const body = '{   "model": "m-1",    "name": "i-5" }';
		expect(request).toBe(
			protocol === "openai"
				? `{"custom_id":"batch1-1-5","method":"POST","url":"/v1/chat/completions","body":${body}}`
				: `{"custom_id":"batch1-1-5","params":${body}}`,
		);
		for (let n = 1; n <= 6; n++) expect(answerTo(stand, n)).toEqual({ status: 200, body: `{"usage": 1,\t"said": "é i-${n}"}` });
		expect(bodiesOf(stand)).toEqual([]);
		expect(await stand.store.read(stand.batchId)).toMatchObject({ state: "completed", outputFileId: null, errorFileId: null, heldNanoUsd: "0" });
		expect([...stand.blobs.blobs.keys()].filter((key) => key.includes("/files/"))).toEqual([]);
	}
});
