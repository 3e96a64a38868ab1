import type { ClientBase } from "pg";

const POLL_MS = 50;
const FLUSH_TIMEOUT_MS = 10_000;

// A gateway unheard of for 2 s is not live: what it holds is judged by the journal or the sweep.
const BEHIND = `
	SELECT gateway_id || '/' || epoch AS name FROM tollgate.gateway_epoch
	WHERE kind = 'gateway' AND closed_at IS NULL AND fenced_at IS NULL AND last_seen_at > clock_timestamp() - interval '2 seconds' AND flushed_request < $1
	ORDER BY 1`;

/**
 * Asks every live gateway to flush what it has settled and waits until each has, 10 s at most.
 * Returns the names of those that live and did not answer.
 */
export async function flushGateways(client: ClientBase, adminName: string, timeoutMs = FLUSH_TIMEOUT_MS): Promise<readonly string[]> {
	const request = await client.query<{ revision: string }>("SELECT tollgate.record_change('flush', 'verify', $1, '{}') AS revision", [adminName]);
	const revision = request.rows[0]?.revision;
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		const behind = (await client.query<{ name: string }>(BEHIND, [revision])).rows.map((row) => row.name);
		if (behind.length === 0 || performance.now() >= deadline) return behind;
		await new Promise((resolve) => setTimeout(resolve, POLL_MS));
	}
}
