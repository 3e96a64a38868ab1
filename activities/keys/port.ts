import type { QueryResultRow } from "pg";

/** A pool or a client: keys need one statement at a time. */
export type Queryable = {
	query<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<{ readonly rows: Row[] }>;
};

export type VirtualKeyRequest = {
	readonly teamId: string;
	readonly feature?: string | undefined;
	readonly userId?: string | undefined;
	readonly environment?: string | undefined;
	/** Model aliases the key may ask for; absent = all. */
	readonly models?: readonly string[] | undefined;
	/** Endpoints the key may call; absent = all. */
	readonly endpoints?: readonly string[] | undefined;
	/** Attribution a caller may name per call with x-tollgate-user / x-tollgate-feature; default none. */
	readonly mayAssert?: readonly ("user" | "feature")[] | undefined;
	/** Distinct asserted values per dimension; default 10,000. */
	readonly maxAsserted?: number | undefined;
	/** Calls that name no agent run join an implicit one; default false. */
	readonly requiresRun?: boolean | undefined;
	/** Items that its batches left undone go into another batch; default false. */
	readonly resubmitsBatches?: boolean | undefined;
	/** Items that no batch may carry any more go in real time; default false. */
	readonly relanesBatches?: boolean | undefined;
	/** Life of the key from now; absent = until revoked. */
	readonly expiresInMs?: number | undefined;
};

/** `key` is the secret: returned once, never stored. `revision` is the change that put it in force. */
export type CreatedKey = { readonly id: string; readonly key: string; readonly revision: string };

/** A key as administrators may see it. Times are ISO 8601, UTC. */
export type VirtualKey = {
	readonly id: string;
	readonly teamId: string;
	readonly feature: string | null;
	readonly userId: string | null;
	readonly environment: string | null;
	readonly models: readonly string[] | null;
	readonly endpoints: readonly string[] | null;
	readonly mayAssert: readonly string[];
	readonly maxAsserted: number;
	readonly requiresRun: boolean;
	readonly resubmitsBatches: boolean;
	readonly relanesBatches: boolean;
	readonly rotatedFrom: string | null;
	readonly createdAt: string;
	readonly createdBy: string;
	readonly expiresAt: string | null;
	readonly revokedAt: string | null;
};
