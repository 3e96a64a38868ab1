import { z } from "zod";
import { checkPlan } from "#simulator/batches/plan.ts";
import type { Random } from "#test/faults/random.ts";
import { isTakenBy, MS_MAX, whole } from "./scenario-fields.ts";
import { channelOf } from "./webhook-receiver.ts";

/** Items that one team hands in alone, and each of them drawn from it. */

/** Of the provider, whose hour takes two seconds here (system.ts). */
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PROVIDER_MS_PER_SECOND = 1_800_000;
const DEADLINE_LEAST_MS = 2 * MINUTE_MS;
const share = z.number().min(0).max(1);

export const deferredOrder = z.strictObject({
	protocol: z.enum(["openai", "anthropic"]),
	items: whole(1, 1_000),
	/** How many keys hand them in, for how many features and users: each of them has some. */
	keys: whole(1, 5).default(1),
	features: whole(0, 5).default(0),
	users: whole(0, 5).default(0),
	/** What the provider does with every batch that one of them goes with: a plan of simulator/batches/plan.ts. */
	plan: isTakenBy(checkPlan).default({}),
	/** Shares of items that the provider fails; that it never answers in a batch; that it bills and gives no answer of. */
	failedShare: share.default(0),
	stuckShare: share.default(0),
	withheldShare: share.default(0),
	/** Share of items with a deadline, from two minutes to `deadlineMostMs` of the provider's clock after they were handed in. */
	deadlineShare: share.default(0.5),
	deadlineMostMs: whole(DEADLINE_LEAST_MS, 7 * DAY_MS).default(DAY_MS),
	/** `x-tollgate-lane: batch`. */
	batchOnlyShare: share.default(0),
	cancelledShare: share.default(0),
	/** Handed in twice with one Idempotency-Key; and those that have none at all. */
	repeatedShare: share.default(0),
	unnamedShare: share.default(0),
	/** `x-tollgate-webhook`: true for all of them, or for a share. Of those, a share names a channel whose receiver says never. */
	webhook: z.union([z.boolean(), share]).default(false).transform(Number),
	refusedWebhookShare: share.default(0),
	/** All are handed in within so long. */
	withinMs: whole(0, MS_MAX).default(2_000),
	/** Of its team. Default: enough. */
	limitNanoUsd: z
		.string()
		.regex(/^\d{1,18}$/, "expected nano-USD as decimal digits")
		.default("1000000000000"),
});

export type DeferredOrder = z.infer<typeof deferredOrder>;

export type DeferredItem = {
	/** Names it within its team, and is its Idempotency-Key where it has one. */
	readonly name: string;
	readonly hasIdempotencyKey: boolean;
	/** The how-manieth of the team's keys, from 0. */
	readonly key: number;
	readonly model: string;
	readonly feature: string | null;
	readonly user: string | null;
	readonly text: string;
	/** What becomes of it at the provider, where that answers it at all. */
	readonly fate: "answered" | "failed" | "stuck" | "withheld";
	/** After it was handed in, in real time; null: none. */
	readonly deadlineSeconds: number | null;
	readonly isBatchOnly: boolean;
	/** Real milliseconds: after the beginning, and after it was accepted; null: it is not cancelled. */
	readonly atMs: number;
	readonly cancelAfterMs: number | null;
	readonly isRepeated: boolean;
	/** The channel that is told of its end; null: none. */
	readonly webhook: string | null;
};

const MODELS = { openai: ["gpt-4o", "gpt-4o-mini"], anthropic: ["claude-haiku-4-5", "claude-sonnet-4-5"] } as const;
const CANCELLED_WITHIN_MS = 4_000;
/** The first is another's fault and may go again, the second is the request's own. */
const FAILED_STATUSES = [500, 400] as const;

/** In the order in which they are handed in. */
export function drawItems(order: DeferredOrder, team: string, random: Random): DeferredItem[] {
	const drawn = Array.from({ length: order.items }, (_, index) => drawItem(order, `${team}-${index + 1}`, random));
	// After all else, so that an order without webhooks draws the same as one with them.
	const items = drawn.map((item) => ({ ...item, webhook: drawWebhook(order, team, random) }));
	return items.toSorted((one, other) => one.atMs - other.atMs);
}

function drawWebhook({ webhook, refusedWebhookShare }: DeferredOrder, team: string, random: Random): string | null {
	if (random.share() >= webhook) return null;
	return channelOf(team, random.share() < refusedWebhookShare ? "refuses" : "takes");
}

function drawItem(order: DeferredOrder, name: string, random: Random): Omit<DeferredItem, "webhook"> {
	const happens = (likelihood: number): boolean => random.share() < likelihood;
	const oneOf = (what: string, count: number): string | null => (count === 0 ? null : `${what}-${random.integer(1, count)}`);
	const isStuck = happens(order.stuckShare);
	const fate = isStuck ? "stuck" : happens(order.failedShare) ? "failed" : happens(order.withheldShare) ? "withheld" : "answered";
	const hasDeadline = happens(order.deadlineShare);
	return {
		name,
		hasIdempotencyKey: !happens(order.unnamedShare),
		key: random.integer(0, order.keys - 1),
		model: random.pick(MODELS[order.protocol]),
		feature: oneOf("feature", order.features),
		user: oneOf("user", order.users),
		text: textOf(order, { name, fate, random }),
		fate,
		deadlineSeconds: hasDeadline ? Math.ceil(random.integer(DEADLINE_LEAST_MS, order.deadlineMostMs) / PROVIDER_MS_PER_SECOND) : null,
		// In real time nothing ends a call that is never answered but its timeout, which is longer than a check.
		isBatchOnly: happens(order.batchOnlyShare) || isStuck,
		atMs: random.integer(0, order.withinMs),
		cancelAfterMs: happens(order.cancelledShare) ? random.integer(0, CANCELLED_WITHIN_MS) : null,
		isRepeated: happens(order.repeatedShare),
	};
}

/** The plan stands in each: nobody knows with which others it goes. */
function textOf({ plan }: DeferredOrder, given: { readonly name: string; readonly fate: DeferredItem["fate"]; readonly random: Random }): string {
	const { name, fate, random } = given;
	const directives = {
		answered: {},
		failed: { status: random.pick(FAILED_STATUSES) },
		stuck: { fault: "hang" },
		withheld: { fault: "cut_before_headers" },
	};
	const directive = { outputTokens: random.integer(1, 20), ...directives[fate] };
	return `question ${name} [[simulate:${JSON.stringify(directive)}]][[simulate-batch:${JSON.stringify(plan)}]]`;
}
