/**
 * How the Node process of a worker is run, chosen with `npm run check:govern -- --teams 10000` for its memory.
 * - A young generation of three times 8 MiB, in the main thread and in the one that runs the workflows: a look at ten thousand teams is garbage at once.
 * - The old generation is collected whenever it has doubled, not when it has grown to what the machine would allow.
 */
export const WORKER_NODE_FLAGS: readonly string[] = ["--enable-source-maps", "--max-semi-space-size=8", "--heap-growing-percent=100"];

/** glibc's allocator (mallopt(3)): the threads of Node and of Temporal's core share two arenas, where each would keep one of its own. */
export const WORKER_ALLOCATOR: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: "2", MALLOC_TRIM_THRESHOLD_: "131072" };

/** What a worker's calls of batches that are under way have to end in, from its SIGTERM on; the standard of TOLLGATE_STOP_GRACE_SECONDS. */
export const CALLS_GRACE_MS = 20_000;
/** Beside it: everything else of a worker stops, and its connections close, in so long. */
export const STOP_REST_MS = 12_000;

/**
 * How its process of batches is run, chosen with `npm run check:batch -- --items 50000`: payloads pass through, so that most of what its heap has grown by is
 * garbage; and its stacks are read by nobody who has the source at hand, for what 25 MB of maps are kept.
 */
export const BATCHES_NODE_FLAGS: readonly string[] = ["--max-semi-space-size=8", "--heap-growing-percent=30"];

/** Blocks of 128 KiB and more go back to the machine at once: glibc would raise that limit itself. */
export const BATCHES_ALLOCATOR: Readonly<Record<string, string>> = { ...WORKER_ALLOCATOR, MALLOC_MMAP_THRESHOLD_: "131072" };
