import type { ResultLine } from "#domain/batching/item-result.ts";
import { ask, type Question, toProviderError } from "./provider-errors.ts";
import { type ResultsOptions, readResults } from "./results-reader.ts";

/** Reads one file of results as it arrives. A connection that breaks within it rejects as "provider.unreachable". */
export async function* readAnswer(open: () => Promise<Response>, options: ResultsOptions & { readonly provider: string }): AsyncGenerator<ResultLine> {
	const question: Question = { provider: options.provider, asked: "results" };
	const answer = await ask(question, open);
	if (answer.body === null) return;
	try {
		yield* readResults(answer.body as AsyncIterable<Uint8Array>, options);
	} catch (error) {
		throw toProviderError(error, question);
	}
}
