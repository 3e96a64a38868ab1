import pg from "pg";

/**
 * Copies of a whole database, as a backup makes them, on the server it is on. The copy is one moment: whoever is connected
 * is cut off for as long as it takes, and connects again.
 */
export async function copyDatabase(databaseUrl: string, copyName: string): Promise<void> {
	const name = nameOf(databaseUrl);
	await onServer(databaseUrl, async (client) => {
		await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
		try {
			await endConnections(client, name);
			await client.query(`CREATE DATABASE ${copyName} TEMPLATE ${name}`);
		} finally {
			await client.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`);
		}
	});
}

/** Puts the copy in the database's place; what happened since is gone. The copy is used up. */
export async function restoreDatabase(databaseUrl: string, copyName: string): Promise<void> {
	const name = nameOf(databaseUrl);
	await onServer(databaseUrl, async (client) => {
		await client.query(`DROP DATABASE ${name} WITH (FORCE)`);
		await client.query(`ALTER DATABASE ${copyName} RENAME TO ${name}`);
	});
}

async function endConnections(client: pg.Client, name: string): Promise<void> {
	for (;;) {
		const { rowCount } = await client.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", [name]);
		if (rowCount === 0) return;
	}
}

function nameOf(databaseUrl: string): string {
	return new URL(databaseUrl).pathname.slice(1);
}

async function onServer(databaseUrl: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
	const url = new URL(databaseUrl);
	url.pathname = "/postgres";
	const client = new pg.Client({ connectionString: url.href });
	await client.connect();
	try {
		await work(client);
	} finally {
		await client.end();
	}
}
