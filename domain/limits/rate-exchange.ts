/** What a gateway and PostgreSQL tell each other of rates: one statement, one reply (tollgate.take_rate). Numbers are whole and at most 10^12. */
export type RateAsk = {
	readonly counter: string;
	/** Calls in flight: nothing ages. */
	readonly isLevel: boolean;
	readonly limit: number;
	/** Absolute: what the gateway holds from now on, before anything is added. */
	readonly share: number;
	/** Of that, not used. */
	readonly idle: number;
	readonly lookahead: number;
	/** Until what is used comes free by itself; null = nobody knows. */
	readonly freesInMs: number | null;
};

export type RateRequest = {
	/** Of this exchange: rises by one. */
	readonly seq: number;
	readonly asks: readonly RateAsk[];
	/** Per waiting call, in order: need per ask (0 where the call does not meet it). */
	readonly needs: readonly (readonly number[])[];
};

/** A counter as of the commit. */
export type RateItem = {
	readonly share: number;
	/** Shares of other gateways, what of them was idle when they told, and what calls there lack. */
	readonly others: number;
	readonly othersIdle: number;
	readonly othersShort: number;
	/** Gateways that have a share, or want one. */
	readonly holders: number;
	readonly freesInMs: number | null;
};

export type RateReply = {
	readonly served: readonly boolean[];
	/** One per ask. */
	readonly items: readonly RateItem[];
	/** Gateways that are heard of. */
	readonly live: number;
	/** Counters of this gateway in which others are short. */
	readonly wanted: readonly { readonly counter: string; readonly holders: number }[];
};
