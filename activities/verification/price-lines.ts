import type { StoredPriceLine } from "./reprice.ts";
import type { Snapshot } from "./snapshot.ts";

/** Which stored price line held for a model, at a version of the book and a time. */
export type PriceLineQuery = {
	readonly version: string;
	/** null = any provider that prices the model. */
	readonly provider: string | null;
	/** Exact id or alias. */
	readonly model: string;
	readonly at: Date;
};

type Candidate = { model_key: string; version: string; effective_from_ms: number; is_named: boolean; line: StoredPriceLine };

/** Every line ever stored for the models that claimed the id at some time: a newer one may have dropped it. */
const CANDIDATES = `
	SELECT jsonb_build_array(provider, model)::text AS model_key, version, extract(epoch FROM effective_from) * 1000 AS effective_from_ms,
	       model = $2 OR line->'aliases' ? $2 AS is_named, line
	FROM tollgate.price_line
	WHERE (provider, model) IN (SELECT provider, model FROM tollgate.price_line WHERE ($1::text IS NULL OR provider = $1) AND (model = $2 OR line->'aliases' ? $2))
	ORDER BY model = $2 DESC, version DESC, effective_from DESC`;

/** Reads price lines straight from the table; keeps one short list per id. */
export class PriceLines {
	readonly #snapshot: Snapshot;
	readonly #candidates = new Map<string, readonly Candidate[]>();

	constructor(snapshot: Snapshot) {
		this.#snapshot = snapshot;
	}

	/** Of each model only the newest line of that version and time counts, and it must itself name the id. */
	async find(query: PriceLineQuery): Promise<StoredPriceLine | undefined> {
		const judged = new Set<string>();
		for (const candidate of await this.#candidatesOf(query.provider, query.model)) {
			const isInForce = BigInt(candidate.version) <= BigInt(query.version) && Number(candidate.effective_from_ms) <= query.at.getTime();
			if (!isInForce || judged.has(candidate.model_key)) continue;
			if (candidate.is_named) return candidate.line;
			judged.add(candidate.model_key);
		}
		return undefined;
	}

	async #candidatesOf(provider: string | null, model: string): Promise<readonly Candidate[]> {
		const key = JSON.stringify([provider, model]);
		const known = this.#candidates.get(key);
		if (known) return known;
		const read = await this.#snapshot.all<Candidate>(CANDIDATES, [provider, model]);
		this.#candidates.set(key, read);
		return read;
	}
}
