/**
 * How the Node process of a gateway is run, chosen with `npm run bench` for calls a second on one core and memory under load.
 * - A young generation of three times 16 MiB: under load every call in flight survives a collection, so fewer of them cost less than small ones.
 * - The old generation is collected at 32 MB and whenever it has grown by 40 %, not when it has grown to what the machine would allow: what it has once taken it keeps.
 * - A gateway without calls for a while is not collected to the last byte: that throws away the shapes of objects of which none lives while nobody is
 *   connected, and with them every optimized function that knows them; some two hundred, and a call takes twice the CPU until they are hot again.
 * - One thread beside the main one marks and sweeps: four take turns of 4 ms each where a gateway has one core, and its calls waited up to 24 ms for them.
 * - Hot functions are optimized on the main thread: the threads that would do it keep some 30 MB for good, and on one core take the same time.
 */
export const GATEWAY_NODE_FLAGS: readonly string[] = [
	"--enable-source-maps",
	"--max-semi-space-size=16",
	"--initial-old-space-size=32",
	"--heap-growing-percent=40",
	"--no-memory-reducer",
	"--v8-pool-size=1",
	"--no-concurrent-recompilation",
];

/**
 * glibc's allocator (mallopt(3)): one arena, and free memory goes back to the system. Without it every thread of Node keeps an arena of its
 * own, some 20 MB in all. Other C libraries ignore these.
 */
export const GATEWAY_ALLOCATOR: Readonly<Record<string, string>> = {
	MALLOC_ARENA_MAX: "1",
	MALLOC_TRIM_THRESHOLD_: "131072",
	MALLOC_MMAP_THRESHOLD_: "131072",
};
