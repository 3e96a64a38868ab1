import type { FuzzTarget } from "../target.ts";
import { batchLines, batchRequests } from "./batch-lines.ts";
import { environments, pricesFiles, providersFiles, teamPolicies } from "./files.ts";
import { httpRequests } from "./http.ts";
import { litellmConfigs, policyFiles } from "./policy.ts";
import { serverSentEvents } from "./server-sent-events.ts";
import { streamTap } from "./stream-tap.ts";
import { usageOfBodies } from "./usage.ts";

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
	serverSentEvents,
	streamTap,
	usageOfBodies,
	httpRequests,
	providersFiles,
	pricesFiles,
	teamPolicies,
	environments,
	policyFiles,
	litellmConfigs,
	batchLines,
	batchRequests,
];
