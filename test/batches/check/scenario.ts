import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { OperationFaults } from "#simulator/batches/operation-faults.ts";
import { checkPlan } from "#simulator/batches/plan.ts";
import { deferredOrder } from "./deferred-order.ts";
import { isTakenBy, MS_MAX, whole } from "./scenario-fields.ts";
import { COMPONENTS } from "./system.ts";

/** Batches and items handed in alone that go on side by side, and what happens meanwhile: drawn, or read from a file so that a run is done again by hand. */

const batchOrder = z.strictObject({
	protocol: z.enum(["openai", "anthropic"]),
	items: whole(1, 5_000),
	/** What the provider does with it: a plan of simulator/batches/plan.ts. */
	plan: isTakenBy(checkPlan).default({}),
	/** Shares of items that the provider fails, and whose result line comes twice. */
	failedShare: z.number().min(0).max(1).default(0),
	doubledShare: z.number().min(0).max(1).default(0),
	/** Of its team. Default: enough. */
	limitNanoUsd: z
		.string()
		.regex(/^\d{1,18}$/, "expected nano-USD as decimal digits")
		.default("1000000000000"),
	/** What its key says of requests that a batch of the provider left undone: another batch, real time (docs/batches.md, "Unfinished requests"). */
	resubmit: z.boolean().default(false),
	relane: z.boolean().default(false),
	/** Its caller cancels it so long after it was made; default: he does not. */
	cancelAfterMs: whole(0, MS_MAX).optional(),
});

const AT = { atMs: whole(0, MS_MAX) };
const faultOrder = z.discriminatedUnion("kind", [
	z.strictObject({ ...AT, kind: z.literal("kill"), component: z.enum(COMPONENTS), forMs: whole(0, MS_MAX) }),
	/** Orders of `POST /simulator/batches/faults`. */
	z.strictObject({ ...AT, kind: z.literal("provider"), faults: isTakenBy((faults) => new OperationFaults(0).set(faults)) }),
	z.strictObject({ ...AT, kind: z.literal("clock"), advanceMs: whole(1, 40 * 86_400_000) }),
]);

const scenario = z
	.strictObject({
		batches: z.array(batchOrder).max(100).default([]),
		/** One team each. */
		deferred: z.array(deferredOrder).max(100).default([]),
		faults: z.array(faultOrder).max(1_000).default([]),
	})
	.refine(({ batches, deferred }) => batches.length + deferred.length > 0, { path: ["batches"], error: "expected batches, or deferred items" });

export type BatchOrder = z.infer<typeof batchOrder>;
export type FaultOrder = z.infer<typeof faultOrder>;
export type Scenario = z.infer<typeof scenario>;

/** Throws Error naming every field that is wrong. */
export function readScenario(file: string): Scenario {
	let given: unknown;
	try {
		given = parse(readFileSync(file, "utf8"));
	} catch (cause) {
		throw new Error(`${file}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
	}
	const read = scenario.safeParse(given);
	if (read.success) return read.data;
	const mistakes = read.error.issues.map(({ path, message }) => `${path.join(".") || "the file"}: ${message}`);
	throw new Error(`${file}: ${mistakes.join("; ")}`);
}
