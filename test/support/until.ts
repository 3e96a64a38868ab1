/** Less where failures are looked for: they come at the end of it. */
export const PATIENCE_MS = Number(process.env["TOLLGATE_TEST_PATIENCE_MS"] ?? 30_000);

/** Waits until `look` returns something other than undefined and false; names what it waited for when it gives up. */
export async function until<Value>(
	what: string,
	look: () => Promise<Value | undefined | false> | Value | undefined | false,
	timeoutMs = PATIENCE_MS,
): Promise<Value> {
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		const value = await look();
		if (value !== undefined && value !== false) return value;
		if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
}
