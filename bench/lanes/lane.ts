import type { LoadTarget } from "../driver/load-target.ts";
import type { Processes } from "../machine/processes.ts";

export const LANE_NAMES = ["direct", "floor", "bare", "governed", "governed-8", "governed-10k", "governed-run", "portkey", "litellm"] as const;
export type LaneName = (typeof LANE_NAMES)[number];

/** A lane of ours judged by the ledger, a lane whose provider's log alone says what was called, or somebody else's product. */
export type LaneKind = "direct" | "floor" | "ours" | "peer";

export const LANE_TITLES: Readonly<Record<LaneName, string>> = {
	direct: "no gateway: driver to provider",
	floor: "empty node:http + undici pass-through",
	bare: "Tollgate, a team declared unlimited: no budget matches; key, bound, journal and ledger are on, as always",
	governed: "Tollgate, one budget, durable ledger",
	"governed-8": "Tollgate, 8 matching budgets, durable ledger",
	"governed-10k": "Tollgate, one budget, 10,000 teams and 100,000 keys in the store, calls of 100 teams",
	"governed-run": "Tollgate, one budget, every call a step of one of four agent runs",
	portkey: "@portkey-ai/gateway, bare",
	litellm: "LiteLLM, bare",
};

/** Shared by all lanes while they start. */
export type LaneContext = {
	readonly processes: Processes;
	/** Folder of everything the run writes but its results. */
	readonly folder: string;
	/** Port of the bench provider for each lane. */
	readonly providerPorts: Readonly<Record<string, number>>;
	/** Administrative URL of the bench's PostgreSQL, and the database every lane's is copied from. */
	readonly postgresUrl: string;
	readonly templateDatabase: string;
};

export type Endpoint = Pick<LoadTarget, "port" | "path" | "authorizations" | "headers" | "runs">;

/** Named as one of `LANE_NAMES`, or as whoever compares something else says. */
export type RunningLane<Name extends string = LaneName> = {
	readonly name: Name;
	readonly kind: LaneKind;
	readonly endpoint: Endpoint;
	/** Pid of the process under test; undefined for direct. */
	readonly pid: number | undefined;
	/** What was started: product and version. */
	readonly version: string;
	/** Why it serves no streams, where it does not: it is then left out of what streams. */
	readonly noStreams?: string;
	/** Budget windows its calls must be charged in, for lanes of ours: what the lane claims is what it measures. */
	readonly chargedWindows?: number;
	/** The lane's database, for lanes of ours. */
	readonly databaseUrl: string | undefined;
};

/** A lane that runs, or why it does not. */
export type LaneStart =
	| { readonly kind: "served"; readonly lane: RunningLane }
	| { readonly kind: "not_served"; readonly name: LaneName; readonly reason: string };

export const CHAT_PATH = "/v1/chat/completions";

/** Port of the provider that no lane uses: for what is measured beside them. */
export const SIDE_PORT = "beside";
