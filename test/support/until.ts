/** Waits until `look` returns something other than undefined and false; names what it waited for when it gives up. */
export async function until<Value>(
	what: string,
	look: () => Promise<Value | undefined | false> | Value | undefined | false,
	timeoutMs = 30_000,
): Promise<Value> {
	const deadline = performance.now() + timeoutMs;
	for (;;) {
		const value = await look();
		if (value !== undefined && value !== false) return value;
		if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, 25));
	}
}
