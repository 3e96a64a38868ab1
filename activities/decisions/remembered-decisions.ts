import { createHash } from "node:crypto";
import type { CallFacts, Decider, Decision, DecisionCounters } from "./port.ts";

/**
 * Remembers what was allowed and what was denied, by the digest of everything the engine was shown: a remembered decision is the
 * one it gave for the same facts, at most `ttlMs` before. What it could not decide is asked again. Questions that are alike and
 * asked at once are one.
 */
export type RememberingOptions = {
	/** From asking, milliseconds; above 0. */
	readonly ttlMs: number;
	/** Decisions kept; the oldest gives way. Default 4,096. */
	readonly entriesMax?: number;
	readonly counters: DecisionCounters;
	/** Monotonic clock, milliseconds. */
	nowMs(): number;
};

const ENTRIES_MAX = 4_096;

export function rememberDecisions(decider: Decider, options: RememberingOptions): Decider {
	return new RememberedDecisions(decider, options);
}

class RememberedDecisions implements Decider {
	readonly #decider: Decider;
	readonly #options: RememberingOptions;
	readonly #known = new Map<string, { readonly decision: Decision; readonly untilMs: number }>();
	readonly #open = new Map<string, Promise<Decision>>();

	constructor(decider: Decider, options: RememberingOptions) {
		this.#decider = decider;
		this.#options = options;
	}

	get isAsked(): boolean {
		return this.#decider.isAsked;
	}

	decide(facts: CallFacts): Decision | Promise<Decision> {
		const { counters, nowMs } = this.#options;
		const key = digestOf(facts);
		const known = this.#known.get(key);
		const askedAtMs = nowMs();
		if (known !== undefined && askedAtMs < known.untilMs) {
			counters.remembered += 1;
			return known.decision;
		}
		const open = this.#open.get(key);
		if (open !== undefined) {
			counters.remembered += 1;
			return open;
		}
		const asked = this.#decider.decide(facts);
		if (!(asked instanceof Promise)) return this.#remember(key, asked, askedAtMs);
		const answer = asked.then((decision) => this.#remember(key, decision, askedAtMs)).finally(() => this.#open.delete(key));
		this.#open.set(key, answer);
		return answer;
	}

	close(): Promise<void> {
		return this.#decider.close();
	}

	#remember(key: string, decision: Decision, askedAtMs: number): Decision {
		if (decision.kind === "undecided") return decision;
		const { entriesMax = ENTRIES_MAX, ttlMs } = this.#options;
		this.#known.delete(key);
		for (const oldest of this.#known.keys()) {
			if (this.#known.size < entriesMax) break;
			this.#known.delete(oldest);
		}
		this.#known.set(key, { decision, untilMs: askedAtMs + ttlMs });
		return decision;
	}
}

/** Of all facts, written in one way: they are put together in one place, in one order. Not the text itself: it may name a person. */
function digestOf(facts: CallFacts): string {
	return createHash("sha256").update(JSON.stringify(facts)).digest("base64");
}
