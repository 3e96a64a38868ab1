// Loaded into a gateway process (NODE_OPTIONS): watches how much memory JavaScript holds, on its heap and in buffers beside it, and
// says at SIGUSR2 how much it was at most.
import { getHeapStatistics } from "node:v8";

const EVERY_MS = 5;
let mostBytes = 0;

setInterval(() => {
	const { used_heap_size: heapBytes, external_memory: bufferBytes } = getHeapStatistics();
	mostBytes = Math.max(mostBytes, heapBytes + bufferBytes);
}, EVERY_MS).unref();

process.on("SIGUSR2", () => {
	process.stderr.write(`it held ${Math.round(mostBytes / 1_048_576)} MB at most\n`);
});
