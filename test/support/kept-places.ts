import { createKeptPlaceProblem } from "#config/alert-secrets.ts";
import type { PolicyThreadData } from "#gateway/administration/policy-thread-worker.ts";

/** Home of the system as far as alert channels of tests go: what would lie under it is theirs to name nowhere. */
export const TEST_HOME = "/var/lib/tollgate-test";
export const keptPlaceProblem = createKeptPlaceProblem({ home: TEST_HOME });
/** The thread that reads policies, in a system of that home. */
export const POLICY_WORKER = {
	file: new URL("../../gateway/administration/policy-thread-worker.ts", import.meta.url),
	data: { home: TEST_HOME } satisfies PolicyThreadData,
};
