import pg from "pg";

/** A pool whose `close` waits until every connection is gone, so that its database can be dropped. */
export type TestPool = { readonly pool: pg.Pool; close(): Promise<void> };

export function openTestPool(url: string, max = 4): TestPool {
	const pool = new pg.Pool({ connectionString: url, max });
	let open = 0;
	const gone = Promise.withResolvers<void>();
	pool.on("connect", () => {
		open += 1;
	});
	pool.on("remove", () => {
		open -= 1;
		if (open === 0) gone.resolve();
	});
	return {
		pool,
		async close() {
			await pool.end();
			if (open > 0) await gone.promise;
		},
	};
}
