import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import { asObject } from "../../providers/json.ts";
import { type Question, unreadableAnswer } from "./provider-errors.ts";

/**
 * Batches made since `sinceMs` less an allowance, of a list that begins with the newest, as both providers give it: it ends at the first
 * page that holds none of them. A list that cannot be read to there rejects, since a batch that was overlooked would be made again.
 */

/** Our clock and the provider's may differ by as much. */
export const CLOCK_ALLOWANCE_MS = 300_000;
export const LIST_PAGE_ITEMS = 100;
/** 100,000 batches: two days of as many as OpenAI lets anybody make. */
const PAGES_MAX = 1_000;

type Listed = { readonly status: ProviderBatchStatus };

export type Listing<Batch extends Listed> = {
	readonly question: Question;
	readonly sinceMs: number;
	/** The page that follows this batch; null = the first. Asked for as it is: the SDKs take whatever they get for a page, an empty one. */
	readonly load: (after: string | null) => Promise<unknown>;
	readonly read: (entry: unknown) => Batch;
};

export async function* listSince<Batch extends Listed>({ question, sinceMs, load, read }: Listing<Batch>): AsyncGenerator<Batch> {
	let after: string | null = null;
	for (let pages = 0; pages < PAGES_MAX; pages += 1) {
		const page = asObject(await load(after));
		const data = page?.["data"];
		if (!Array.isArray(data)) throw unreadableAnswer(question, "it is no list");
		const batches: Batch[] = data.map(read);
		const young = batches.filter(({ status }) => status.createdAtMs >= sinceMs - CLOCK_ALLOWANCE_MS);
		yield* young;
		if (page?.["has_more"] !== true || (batches.length > 0 && young.length === 0)) return;
		const last: string | undefined = batches.at(-1)?.status.providerBatchId;
		if (last === undefined || last === after) throw unreadableAnswer(question, "its list does not go on where it says there is more");
		after = last;
	}
	throw unreadableAnswer(question, `its list has more than ${PAGES_MAX} pages`);
}
