import { createRequire } from "node:module";
import type { buildConnector as BuildConnector, Pool as WholePool } from "undici";

/** Without what `undici` itself puts on every dispatcher when it is loaded. */
export type Pool = Omit<WholePool, "request" | "stream" | "pipeline" | "connect" | "upgrade">;

/**
 * Parts of undici by themselves. `import { Pool } from "undici"` also loads its fetch, caches, web sockets and mocks: some 6 MB that a gateway keeps for
 * good (`process.memoryUsage().rss` after each, with the gateway's other libraries loaded). The package has no `exports` that would forbid the paths; a release
 * without them fails every start and every test of the gateway.
 */
const load = createRequire(import.meta.url);

/** undici's connection pool. */
export const Pool = load("undici/lib/dispatcher/pool.js") as new (...given: ConstructorParameters<typeof WholePool>) => Pool;

/** What a pool opens connections with. */
export const buildConnector = load("undici/lib/core/connect.js") as typeof BuildConnector;
