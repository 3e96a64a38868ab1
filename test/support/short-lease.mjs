// Loaded into a gateway process (NODE_OPTIONS): its lease lives 2 s instead of 60 s, so that faults several leases long fit into a
// test. Shorter is stricter: everything else of the gateway is what production runs.
import { registerHooks } from "node:module";

const FILE = "/activities/request/lease-keeper.ts";
const STATED = "LEASE_TTL_MS = 60_000";

registerHooks({
	load(url, context, nextLoad) {
		const loaded = nextLoad(url, context);
		if (!url.endsWith(FILE)) return loaded;
		const source = String(loaded.source);
		if (!source.includes(STATED)) throw new Error(`${FILE} does not say "${STATED}" any more`);
		return { ...loaded, source: source.replace(STATED, "LEASE_TTL_MS = 2_000") };
	},
});
