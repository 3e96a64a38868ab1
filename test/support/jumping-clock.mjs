// Loaded into a gateway process (NODE_OPTIONS): its wall clock is off by the first of TEST_CLOCK_SHIFTS_MS, and each SIGUSR2
// makes it jump to the next. Timers and performance.now() go on as they are, as when a person sets the machine's clock.
const shiftsMs = (process.env["TEST_CLOCK_SHIFTS_MS"] ?? "0").split(",").map(Number);
const RealDate = Date;
let shiftMs = shiftsMs.shift() ?? 0;

globalThis.Date = class extends RealDate {
	constructor(...parts) {
		if (parts.length === 0) super(RealDate.now() + shiftMs);
		else super(...parts);
	}

	static now() {
		return RealDate.now() + shiftMs;
	}
};

process.on("SIGUSR2", () => {
	shiftMs = shiftsMs.shift() ?? shiftMs;
	process.stderr.write(`the clock is off by ${shiftMs} ms\n`);
});
