// Loaded into a gateway process (NODE_OPTIONS): SIGUSR2 keeps its event loop busy for TEST_STALL_MS, as a runaway computation would.
const stallMs = Number(process.env["TEST_STALL_MS"] ?? "0");

process.on("SIGUSR2", () => {
	process.stderr.write(`stalling for ${stallMs} ms\n`);
	const endsAtMs = performance.now() + stallMs;
	while (performance.now() < endsAtMs);
});
