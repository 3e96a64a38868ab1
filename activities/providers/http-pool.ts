import { createRequire } from "node:module";
import type { Pool as WholePool } from "undici";

/** Without what `undici` itself puts on every dispatcher when it is loaded. */
export type Pool = Omit<WholePool, "request" | "stream" | "pipeline" | "connect" | "upgrade">;

/**
 * undici's connection pool by itself. `import { Pool } from "undici"` also loads its fetch, caches, web sockets and mocks: some 6 MB that a gateway keeps for
 * good (`process.memoryUsage().rss` after each, with the gateway's other libraries loaded). The package has no `exports` that would forbid the path; a release
 * without it fails every start and every test of the gateway.
 */
export const Pool = createRequire(import.meta.url)("undici/lib/dispatcher/pool.js") as new (...given: ConstructorParameters<typeof WholePool>) => Pool;
