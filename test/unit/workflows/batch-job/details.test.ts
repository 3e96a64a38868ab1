import { expect, test } from "vitest";
import type { PartRecord } from "#domain/batching/batch-part.ts";
import { reduceJob } from "#domain/batching/job-reducer.ts";
import { emptyJob, type JobBatch, type JobState } from "#domain/batching/job-state.ts";
import { renderBatchDetails } from "#workflows/batch-job/details.ts";

const BYTES_MAX = 20_000;
const NOW = Date.parse("2026-11-26T10:00:00Z");
const HOSTILE = '"한]|`*<b>\\\n\u0000\u0007\u202e\u2028\ud800';

function jobOf(parts: number, text = ""): JobState {
	const records = Array.from(
		{ length: parts },
		(_, index): PartRecord => ({
			...{
				batchId: "batch_1",
				part: index + 1,
				token: "t",
				state: "running",
				items: 5,
				bytes: 1,
				providerFileId: null,
				providerBatchId: `pb-${index + 1}${text}`,
			},
			...{ submitBeganAtMs: NOW, runningSinceMs: NOW, endedAtMs: null },
		}),
	);
	const batch: JobBatch = {
		...{ state: "running", version: "1", protocol: "openai", provider: `openai${text}`, model: `m-1${text}`, items: 10 },
		...{ counts: { open: 4, succeeded: 5, errored: 1, expired: 0, cancelled: 0 }, rules: { mayResubmit: false, mayRelane: false } },
		...{ heldNanoUsd: "400000000", settledNanoUsd: "250000000", createdAtMs: NOW, deadlineMs: NOW + 7_200_000, cancelAskedAtMs: null },
		problem: text === "" ? null : text,
	};
	const outcome = { kind: "done" } as const;
	const moment = { nowMs: NOW, jitter: 0.5 };
	return reduceJob(emptyJob(`batch_1${text}`, `search${text}`), {
		kind: "stepped",
		step: { kind: "read" },
		result: { picture: { batch, parts: records, hasItemsToSend: false }, outcome },
		...moment,
	});
}

test("a running batch: counts, money, time left, parts and what can be done", () => {
	expect(renderBatchDetails(jobOf(1))).toBe(`## Batch batch_1 of team search: running

6 of 10 items ended: 5 succeeded, 1 errored, 4 open.
Held 0.40 USD, settled 0.25 USD; model m-1 of openai, since 2026-11-26T10:00:00Z.
Retries: 0.
Time left: it is wanted by 2026-11-26T12:00:00Z.

What can be done:

- end it: \`cancelBatch\` \`{"by":"YOUR NAME"}\`
- try at once what waits: signal \`batchChanged\` \`{"retriesNow":true}\`
- without Temporal: \`npx tollgate batch show batch_1\`

| part | state | items | at the provider | done there | next look |
| ---: | --- | ---: | --- | ---: | --- |
| 1 | running | 5 | \`pb-1\` | – | – |`);
});

test.each(["completed", "expired", "cancelled", "failed"] as const)("a batch that is over offers nothing, and says where else it is shown: %s", (state) => {
	const job = jobOf(1);
	if (job.picture === null) throw new Error("the job has no rows");
	const batch = { ...job.picture.batch, state, rules: { mayResubmit: true, mayRelane: false } };
	const text = renderBatchDetails({ ...job, picture: { ...job.picture, batch } });
	expect(text).not.toMatch(/What can be done|cancelBatch|batchChanged|Time left|goes into another batch/);
	expect(text).toContain("\n\nIt is over: nothing is left to do. The same without Temporal: `npx tollgate batch show batch_1`.\n\n| part |");
});

test("whether unfinished items go again is said while it may matter", () => {
	const job = jobOf(1);
	if (job.picture === null) throw new Error("the job has no rows");
	const { picture } = job;
	const told = (mayResubmit: boolean, mayRelane: boolean) =>
		renderBatchDetails({ ...job, picture: { ...picture, batch: { ...picture.batch, rules: { mayResubmit, mayRelane } } } });
	expect(told(true, false)).toContain("What the provider leaves undone goes into another batch, once.");
	expect(told(false, true)).toContain("What the provider leaves undone goes in real time.");
	expect(told(true, true)).toContain("What the provider leaves undone goes into another batch, once, and then in real time.");
	expect(told(false, false)).not.toContain("What the provider leaves undone");
});

test("what holds it up stands first", () => {
	const held = reduceJob(jobOf(1), { kind: "failed", step: { kind: "poll", part: 1 }, message: "the provider is away", nowMs: NOW, jitter: 0.5 });
	expect(renderBatchDetails(held)).toContain("batch_1 of team search: waiting\n\n**Waits since 2026-11-26T10:00:00Z (poll):** the provider is away");
	expect(renderBatchDetails(emptyJob("batch_1", "search"))).toBe("## Batch batch_1 of team search: starting\n\nIts rows were not read yet.");
});

test("texts of others are no Markdown, and however many parts and however long the texts, the server takes it", () => {
	const job = jobOf(200, HOSTILE.repeat(60));
	const failed = reduceJob(job, { kind: "failed", step: { kind: "poll", part: 1 }, message: HOSTILE.repeat(200), nowMs: NOW, jitter: 0.5 });
	const doubles = Array.from({ length: 50 }, (_, part) => ({ part, providerBatchId: HOSTILE.repeat(20), phase: "found" as const, readings: 0, dueAtMs: 0 }));
	const text = renderBatchDetails({ ...failed, doubles });
	expect(new TextEncoder().encode(JSON.stringify(text)).length).toBeLessThan(BYTES_MAX);
	expect(text).not.toMatch(/<b>|\u202e|\u2028|\u0000/);
	expect(text).toContain("170 earlier parts.");
});

test("of items that were handed in alone: that each goes its own way, and which parts go in real time", () => {
	const job = jobOf(2);
	const { picture } = job;
	if (picture === null) throw new Error("the rows were not read");
	const [first, second] = picture.parts;
	if (first === undefined || second === undefined) throw new Error("there are two parts");
	const parts: PartRecord[] = [first, { ...second, lane: "real_time", providerBatchId: null }];
	const text = renderBatchDetails({
		...job,
		picture: { ...picture, batch: { ...picture.batch, origin: "collected", rules: { mayResubmit: true, mayRelane: true } }, parts },
	});
	expect(text).toContain("each goes with a batch or in real time, by its own deadline");
	expect(text).toContain("| 2 | running | 5 | real time | – | – |");
	expect(text).not.toContain("goes into another batch, once");
});
