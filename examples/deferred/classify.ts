import { CostControl, type DeferredResult, type ItemToSubmit, readRefusal } from "../../clients/index.ts";
import { type Ticket, ticketsOfToday } from "./tickets.ts";

/**
 * Work that may wait: every ticket of the day is classified by the deadline, mostly at half the price. Killed and started again it hands in nothing twice:
 * the ids of the items are those of the tickets. GATEWAY_URL and TOLLGATE_KEY say where and as whom, DEADLINE by when, TICKETS how many, JOB the name
 * under which they are handed in.
 */

const { GATEWAY_URL = "http://127.0.0.1:4000", TOLLGATE_KEY = "", DEADLINE = "6h", TICKETS = "12", JOB = "tickets" } = process.env;

const costControl = new CostControl({ baseUrl: GATEWAY_URL, key: TOLLGATE_KEY });
const batch = await costControl.batch.submit({ items: itemsOf(ticketsOfToday(Number(TICKETS))), deadline: DEADLINE });
console.log(`${batch.ids.size} handed in, ${batch.refused.length} refused`);
for (const { id, error } of batch.refused) console.log(`${id} refused: ${error.message} ${readRefusal(error)?.howToAsk ?? ""}`.trimEnd());

let costNanoUsd = 0n;
for await (const result of batch.results()) {
	costNanoUsd += BigInt(result.costNanoUsd);
	console.log(`${result.id} ${result.status} (${result.lane ?? "no lane"}${result.isLate ? ", late" : ""}): ${wordsOf(result)}`);
}
console.log(`cost ${costNanoUsd} nano-USD`);
if (batch.refused.length > 0) process.exitCode = 1;

async function* itemsOf(tickets: AsyncIterable<Ticket>): AsyncGenerator<ItemToSubmit> {
	for await (const { number, text } of tickets) {
		const content = `Urgent, ordinary or none: one word for this ticket.\n${text}`;
		yield { id: `${JOB}/${number}`, endpoint: "chat/completions", body: { model: "gpt-4o-mini", max_tokens: 16, messages: [{ role: "user", content }] } };
	}
}

/** What the model said, or why it did not. */
function wordsOf({ body }: DeferredResult): string {
	const answer = body as {
		readonly choices?: readonly { readonly message: { readonly content: string } }[];
		readonly error?: { readonly message: string };
	} | null;
	return answer?.choices?.[0]?.message.content ?? answer?.error?.message ?? "no answer";
}
