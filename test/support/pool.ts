import pg from "pg";
import { until } from "./until.ts";

/** A pool whose `close` waits until every connection is gone, so that its database can be dropped. */
export type TestPool = { readonly pool: pg.Pool; close(): Promise<void> };

export function openTestPool(url: string, max = 4): TestPool {
	const pool = new pg.Pool({ connectionString: url, max });
	let open = 0;
	pool.on("connect", () => {
		open += 1;
	});
	pool.on("remove", () => {
		open -= 1;
	});
	return {
		pool,
		async close() {
			await pool.end();
			// Idle ones come and go while it is used: only what is open now says anything.
			await until("every connection to be gone", () => open === 0);
		},
	};
}
