import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { Broken } from "#test/govern/broken.ts";
import type { SeenDeferred } from "./deferred-caller.ts";
import { type Outage, RECOVERS_WITHIN_MS } from "./lateness.ts";
import type { DeferredRun } from "./run-deferred.ts";
import { channelOf, type Delivery } from "./webhook-receiver.ts";

/** A webhook as PostgreSQL has it, and an alert of a team that a channel did not take what it was told. */
export type WebhookRow = { deferred_id: string; team_id: string; channel: string; state: string };
export type UndeliveredRow = { team_id: string; channel: string };

export type WebhookBooks = {
	readonly runs: readonly DeferredRun[];
	/** What the receiver was told, in order. */
	readonly deliveries: readonly Delivery[];
	readonly rows: readonly WebhookRow[];
	readonly undelivered: readonly UndeliveredRow[];
	readonly outages: readonly Outage[];
};

export type WebhooksJudged = {
	/** Items whose channel took their end, and those whose channel said never. */
	readonly taken: number;
	readonly refused: number;
	/** Of all of them, and how many of these the receiver answered by 500, not at all, or by cutting the connection. */
	readonly messages: number;
	readonly failures: number;
};

const instant = z.iso.datetime();
const message = z.strictObject({
	type: z.literal("deferred.ended"),
	timestamp: instant,
	data: z.strictObject({
		id: z.string(),
		status: z.string(),
		team_id: z.string(),
		lane: z.string().nullable(),
		status_code: z.int().nullable(),
		deadline: instant.nullable(),
		answered_at: instant,
		is_late: z.boolean(),
	}),
});

type Told = { readonly delivery: Delivery; readonly said: z.infer<typeof message> };
type Asking = { readonly teamId: string; readonly seen: SeenDeferred; readonly told: readonly Told[] };

/**
 * Each item that named a channel was told to it, signed, as often as it took under one id and in the same words, which are those of its record; no other
 * one was told to anybody, nothing waits, and what a channel refused for good is told to people.
 */
export function judgeWebhooks({ runs, deliveries, rows, undelivered, outages }: WebhookBooks): WebhooksJudged {
	const told = Map.groupBy(deliveries.map(readMessage), ({ said }) => said.data.id);
	const items = new Map<string, Asking>();
	for (const run of runs) {
		for (const { item, seen } of run.accepted)
			if (item.webhook !== seen.webhook)
				throw new Broken(`${item.name} named the channel ${item.webhook ?? "none"}, and ${seen.id} says ${seen.webhook ?? "none"}`);
		for (const seen of [...run.accepted.map((each) => each.seen), ...run.unheard])
			items.set(seen.id, { teamId: run.teamId, seen, told: told.get(seen.id) ?? [] });
	}
	for (const [id, [first]] of told) if (!items.has(id)) throw new Broken(`${first?.delivery.channel ?? ""} was told of ${id}, which nobody handed in`);
	for (const asking of items.values()) {
		judgeMessages(asking);
		judgeRepeats(asking, outages);
	}
	judgeRows(items, rows);
	judgeUndelivered(rows, undelivered);
	const endedBy = (answer: Delivery["answer"]): number =>
		[...items.values()].filter((asking) => asking.told.some(({ delivery }) => delivery.answer === answer)).length;
	return {
		taken: endedBy("taken"),
		refused: endedBy("refused"),
		messages: deliveries.length,
		failures: deliveries.filter(({ answer }) => !isFinal(answer)).length,
	};
}

function readMessage(delivery: Delivery): Told {
	const { channel, id, problem, body } = delivery;
	if (problem !== null) throw new Broken(`${channel} was told ${id || "something without an id"} and refused its signature: ${problem}`);
	const read = message.safeParse(jsonOf(body));
	if (!read.success) throw new Broken(`${channel} was told ${id} in words that nobody knows: ${read.error.issues[0]?.message ?? ""}: ${body}`);
	return { delivery, said: read.data };
}

/** undefined: it is none. */
function jsonOf(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}

/** To the channel that it named and to no other, under its id, in the words of its record. */
function judgeMessages({ teamId, seen, told }: Asking): void {
	const { id, webhook, status, lane, deadlineMs, answeredAtMs, isLate } = seen;
	if (webhook === null && told.length > 0) throw new Broken(`${id} named no channel, and ${told[0]?.delivery.channel ?? ""} was told of it`);
	if (webhook !== null && told.length === 0) throw new Broken(`${id} is ${status}, and ${webhook} was never told`);
	const ids = [...new Set(told.map(({ delivery }) => delivery.id))];
	if (ids.length > 1) throw new Broken(`${id} was told under more than one id: ${ids.join(" and ")}`);
	const record = { status, lane, statusCode: seen.answer?.statusCode ?? null, deadlineMs, answeredAtMs, isLate };
	for (const { delivery, said } of told) {
		if (delivery.channel !== webhook) throw new Broken(`${id} named ${webhook ?? "no channel"}, and ${delivery.channel} was told of it`);
		if (delivery.id !== id) throw new Broken(`${id} was told under the id ${delivery.id}`);
		if (said.data.team_id !== teamId) throw new Broken(`${id} of ${teamId} was told as one of ${said.data.team_id}`);
		if (!isDeepStrictEqual(recordIn(said.data), record))
			throw new Broken(`${id} was told as ${JSON.stringify(recordIn(said.data))}, and its record says ${JSON.stringify(record)}`);
		if (said.timestamp !== said.data.answered_at) throw new Broken(`${id} was told at ${said.timestamp}, and answered at ${said.data.answered_at}`);
		if (delivery.body !== told[0]?.delivery.body) throw new Broken(`${id} was told in other words when it was told again`);
	}
}

function recordIn({ status, lane, status_code: statusCode, deadline, answered_at: answeredAt, is_late: isLate }: Told["said"]["data"]) {
	return { status, lane, statusCode, deadlineMs: deadline === null ? null : Date.parse(deadline), answeredAtMs: Date.parse(answeredAt), isLate };
}

/** What a channel has taken, or refused, is told again only by whoever could not record it. */
function judgeRepeats({ seen: { id }, told }: Asking, outages: readonly Outage[]): void {
	const finalAt = told.findIndex(({ delivery }) => isFinal(delivery.answer));
	const [final, again] = [told[finalAt]?.delivery, told[finalAt + 1]?.delivery];
	if (final === undefined || again === undefined) return;
	const isExplained = outages.some(
		({ component, fromMs, untilMs }) =>
			(component === "worker" || component === "postgres") && fromMs <= again.atMs && untilMs + RECOVERS_WITHIN_MS >= final.atMs,
	);
	if (!isExplained) throw new Broken(`${id} was ${final.answer}, and told again ${again.atMs - final.atMs} ms later: nothing was killed`);
}

function isFinal(answer: Delivery["answer"]): boolean {
	return answer === "taken" || answer === "refused";
}

/** Nothing is left over: what the books call delivered was taken, what they call dead was refused, and there is no more in them. */
function judgeRows(items: ReadonlyMap<string, Asking>, rows: readonly WebhookRow[]): void {
	for (const { deferred_id: id, channel, state, team_id: teamId } of rows) {
		const asking = items.get(id);
		if (asking === undefined || asking.seen.webhook !== channel || asking.teamId !== teamId)
			throw new Broken(`a webhook of ${id} to ${channel} is in the books, and nobody asked for it`);
		const wanted = channel === channelOf(teamId, "takes") ? { state: "delivered", answer: "taken" } : { state: "dead", answer: "refused" };
		if (state !== wanted.state) throw new Broken(`the webhook of ${id} to ${channel} is ${state}, not ${wanted.state}`);
		if (!asking.told.some(({ delivery }) => delivery.answer === wanted.answer))
			throw new Broken(`the webhook of ${id} is ${state}, and ${channel} never said so`);
	}
	const inBooks = new Set(rows.map(({ deferred_id: id }) => id));
	for (const { seen } of items.values())
		if (seen.webhook !== null && !inBooks.has(seen.id)) throw new Broken(`${seen.id} asked for a webhook to ${seen.webhook}, and the books have none`);
}

/** The alert `deferred.undelivered` stands for each team and channel of which one was given up, and for no other. */
function judgeUndelivered(rows: readonly WebhookRow[], undelivered: readonly UndeliveredRow[]): void {
	const nameOf = ({ team_id, channel }: UndeliveredRow): string => `${channel} of ${team_id}`;
	const dead = new Set(rows.filter(({ state }) => state === "dead").map(nameOf));
	const alerts = new Set(undelivered.map(nameOf));
	for (const name of dead) if (!alerts.has(name)) throw new Broken(`${name} refused what it was told, and no alert says so`);
	for (const name of alerts) if (!dead.has(name)) throw new Broken(`an alert says that ${name} was not told, and nothing was given up`);
}
