import type { Mutant } from "./mutant.ts";

/** The end of an item handed in alone: told once, signed, where it may be told, and to people as one. */
const ENDS = "migrations/0027_deferred_ends.sql";
const OUTBOX_TEST = "test/integration/activities/batches/deferred-webhooks.test.ts";
const WORKER_TEST = "test/integration/workers/deferred-webhooks.test.ts";
const PEOPLE_TEST = "test/integration/activities/batches/late-items.test.ts";
const COMMANDS_TEST = "test/integration/clients/command-line/deferred.test.ts";
const CHECK = { file: "test/batches/check/judge-webhooks.ts", test: "test/unit/batches/check-webhooks.test.ts" } as const;
const CLAIM = { file: ENDS, within: "CREATE FUNCTION tollgate.claim_deferred_webhooks(", test: OUTBOX_TEST } as const;
const FINISH = { file: ENDS, within: "CREATE FUNCTION tollgate.finish_deferred_webhook(", test: OUTBOX_TEST } as const;
const LATE = { file: ENDS, within: "CREATE FUNCTION tollgate.watch_late_items(", test: PEOPLE_TEST } as const;

const ONE_ALERT = "late items of a team are one alert, however many and however often it is looked, until none was late for an hour";

export const DEFERRED_END_MUTANTS: readonly Mutant[] = [
	{
		rule: "the end of an item is told once, however often its answer is written",
		file: "migrations/0026_deferred.sql",
		within: "CREATE FUNCTION tollgate.mark_answered(",
		from: " AND i.answered_at IS NULL RETURNING i.n",
		to: " RETURNING i.n",
		test: OUTBOX_TEST,
		titles: ["that asked for a webhook is one row, however often its answer is written; that of another none"],
		redBy: "deferred_webhook_pkey",
	},
	{
		rule: "an end by a cancel is told too",
		file: "migrations/0026_deferred.sql",
		within: "CREATE FUNCTION tollgate.cancel_deferred(",
		from: "  PERFORM tollgate.tell_ended(v_batch.number, ARRAY[v_item.n]);\n",
		to: "",
		test: OUTBOX_TEST,
		titles: ["by a cancel is told too, once, and wakes who sends"],
	},
	{
		rule: "a webhook that one worker has claimed no other sends",
		...CLAIM,
		from: " AND NOT (w.busy_until > v_now AND w.claimed_by = ANY (v_living))\n",
		to: "\n",
		titles: ["claims what is due once, as many as may be under way at a channel, and another channel's as well"],
	},
	{
		rule: "no more webhooks are under way at a channel than may be, of all workers",
		...CLAIM,
		from: "WHERE b.channel = v_channel.name AND b.state = 'waiting' AND b.busy_until > v_now",
		to: "WHERE false AND b.busy_until > v_now",
		titles: ["claims what is due once, as many as may be under way at a channel, and another channel's as well"],
	},
	{
		rule: "a channel that asked to be left alone is",
		...CLAIM,
		from: "p.paused_till > v_now)",
		to: "false)",
		titles: ["waits as long as a channel asks, there alone; what failed comes again under its id, and its answer of before counts no more"],
	},
	{
		rule: "what an earlier try of a webhook comes to counts no more",
		...FINISH,
		from: " AND (p_outcome = 'delivered' OR attempts = p_attempt)",
		to: "",
		titles: ["waits as long as a channel asks, there alone; what failed comes again under its id, and its answer of before counts no more"],
	},
	{
		rule: "what was given up is told to people",
		...FINISH,
		from: "  IF p_outcome = 'dead' THEN PERFORM tollgate.tell_undelivered(v_webhook.team_id, v_webhook.channel, 1, p_said); END IF;\n",
		to: "",
		titles: ["is told to people once a day of a team and channel, waits for them, and can be sent again"],
	},
	{
		rule: "what waits for a channel that is gone is given up, not forgotten",
		file: ENDS,
		within: "CREATE FUNCTION tollgate.give_up_orphans(",
		from: "WHERE w.state = 'waiting' AND NOT EXISTS",
		to: "WHERE false AND NOT EXISTS",
		test: OUTBOX_TEST,
		titles: ["because its channel was removed is told too"],
	},
	{
		rule: "only a channel of kind webhook may be named for the end of an item",
		file: "activities/batches/delivery/webhook-channels.ts",
		from: " AND kind = 'webhook'",
		to: "",
		test: OUTBOX_TEST,
		titles: ["the channels that may be named are those of kind webhook, as they are now"],
	},
	{
		rule: "a webhook of an ended item goes under the id of its item",
		file: "activities/batches/delivery/webhook-sender.ts",
		from: "{ id: item.deferredId, body:",
		to: "{ id: String(Math.random()), body:",
		test: WORKER_TEST,
		titles: ["an end is told once, signed, under the id of its item, without the answer"],
	},
	{
		rule: "what is signed is what is sent",
		file: "activities/alerts/webhook.ts",
		from: "signatureHeaders({ id: message.id, body,",
		to: 'signatureHeaders({ id: message.id, body: "",',
		test: WORKER_TEST,
		titles: ["an end is told once, signed, under the id of its item, without the answer"],
	},
	{
		rule: "a webhook of an ended item leads where its channel may",
		file: "activities/alerts/webhook.ts",
		from: "allowPrivate: channel.allowPrivate }",
		to: "allowPrivate: true }",
		test: WORKER_TEST,
		titles: ["where a channel may not lead nothing is sent: the address is judged as an alert's is"],
	},
	{
		rule: "late items of a team make one alert",
		...LATE,
		from: "WHERE l.team_id IS NULL OR s.team_id IS NULL",
		to: "WHERE true",
		titles: [ONE_ALERT],
	},
	{
		rule: "the alert of late items stands while one was answered late within the hour",
		...LATE,
		from: "i.answered_at > v_now - interval '1 hour'",
		to: "false",
		titles: [ONE_ALERT],
	},
	{
		rule: "what an item cost has the tries beside the one that answered",
		file: ENDS,
		within: "CREATE FUNCTION tollgate.cost_of_item(",
		from: "CASE WHEN i.try <= 1 THEN",
		to: "CASE WHEN true THEN",
		test: PEOPLE_TEST,
		titles: ["what a try beside the one that answered cost is part of what an item cost"],
	},
	{
		rule: "a batch that collects is not ended by its operator, who would end what is still handed in",
		file: "activities/administration/batches.ts",
		from: 'if (origin === "collected" && state === "collecting")',
		to: 'if (origin === "collected" && state === "held")',
		test: COMMANDS_TEST,
		titles: ["a batch that collects is shown with where its items are, and is neither ended nor tried: its collector sends it"],
	},
	{
		rule: "the check of batches finds a webhook that is not signed",
		...CHECK,
		from: "if (problem !== null) throw",
		to: 'if (channel === "" && problem !== null) throw',
		titles: ["a delivery: a message without a signature is broken"],
	},
	{
		rule: "the check of batches finds an end that nobody was told",
		...CHECK,
		from: "if (webhook !== null && told.length === 0) throw",
		to: 'if (webhook === "" && told.length === 0) throw',
		titles: ["a delivery: an end that nobody was told is broken"],
	},
	{
		rule: "the check of batches finds an end that was told under two ids",
		...CHECK,
		from: "if (ids.length > 1) throw",
		to: "if (ids.length > 2) throw",
		titles: ["a delivery: an end told twice under two ids is broken"],
	},
	{
		rule: "the check of batches finds an end that was told otherwise than its record",
		...CHECK,
		from: "if (!isDeepStrictEqual(recordIn(said.data), record))",
		to: "if (!isDeepStrictEqual(Object.keys(recordIn(said.data)), Object.keys(record)))",
		titles: ["a delivery: another status is broken"],
	},
	{
		rule: "the check of batches finds an end that was told to another channel",
		...CHECK,
		from: "if (delivery.channel !== webhook) throw",
		to: "if (webhook === null) throw",
		titles: ["a delivery: an item told to another team's channel is broken"],
	},
	{
		rule: "the check of batches finds an end that was told again though nothing was killed",
		...CHECK,
		from: "if (!isExplained) throw",
		to: "if (outages.length > 0 && !isExplained) throw",
		titles: ["a delivery: a message again after it was taken is broken"],
	},
	{
		rule: "the check of batches finds a webhook that is left over",
		...CHECK,
		from: "if (state !== wanted.state) throw",
		to: 'if (state === "" && state !== wanted.state) throw',
		titles: ["the books: one that waits is broken"],
	},
];
