/**
 * What was done for the bars so far; stands in every result. A ratio of CPU a call compares two checkouts in alternating peak windows of one run; `npm run bench --
 * --only governed floor` in each prints the same beside the floor ("CPU s/1,000"). Memory is what the line "memory of a gateway" says.
 */
export const TRIED: readonly string[] = [
	"One journal write a turn of the event loop, for reservations and endings together, and answers sent together after it: provider and callers are woken once for many calls instead of for each. CPU a call 0.55 x.",
	"A young generation of 16 MiB a half instead of 4: in a closed loop every call in flight survives a collection, so rare collections cost less. CPU a call 0.76 x.",
	"No AbortSignal a call, observations handed to the Prometheus histograms in blocks, pricing without throwaway lists, no copied dependencies a call. CPU a call 0.86 x.",
	"The head of a stream leaves with its first event.",
	"One malloc arena, memory given back, an old generation collected when it has doubled from 32 MB, functions optimized on the main thread: 187 MB to 137 MB under load.",
	"Rows sent to the ledger are let go with their answer; the PostgreSQL client's queries kept them through several collections of the young generation. Old generation at 500 calls a second: 0.2 MB of garbage a second instead of 0.65.",
	"Driver and provider as SCHED_RR in open loops: before, a flush of PostgreSQL on their core made the driver 2 ms late and most windows of lanes with a ledger void.",
	"p99 of 16 callers, looked at stall by stall (schedstat, collections, writes) with 700 calls a second: the host wakes once a second for 8 ms on the gateway's core and gives every lane there 2 to 3 ms at p99, the floor as well; what is ours are one major collection in 30 s (some 25 ms) and functions that are optimized in the first minutes (5 to 10 ms each). Optimizing on other threads: 30 MB more and no better p99 where they share the core; one thread for collection: 110 MB more. With the gateway's main thread as SCHED_RR, which takes the host's part away from both, the floor adds 0.3 ms at p99 and governed 1.0 to 3.3.",
	"Without gain: Node 26 instead of 24; parallel scavenging off; a spinning process against sleeping cores; a single thread for collection.",
	"One caller, looked at with perf at 400 calls a second: a call takes four times the CPU it takes at the peak, in the floor as in the governed lane (0.5 ms against 0.13, and 1.0 against 0.26), as cold caches and a core that has slept would explain; of the governed lane no function takes more than 2.3 %, so no single change is in sight.",
	"A call that is alone in its turn of the event loop is journaled at once, and its request is written in the same turn instead of the next: eight windows of one caller each, floor 0.27 and 0.28 ms, governed 0.56 after and 0.71 before.",
	"Stalls of the governed lane between peaks, looked at with schedstat and page faults: many of 10 to 25 ms are some hundred page faults of 30 us each, in memory that glibc gave back and took again. Keeping 8 MB instead of 128 KB of it (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_): half the faults, p99 of 16 callers 30, 24 and 25 ms instead of 36, 31 and 26, and 193 MB instead of 181, so not taken. A young generation that never shrinks: no fewer faults. Each chunk of the ledger, 50 to 126 KB ten times a second, holds the event loop for 1 to 4 ms while it is written.",
	"Without gain: Maglev alone, without TurboFan (peak 0.34 x floor, p99 as before).",
	"Not tried yet: ledger chunks as arrays of rows instead of JSON (9 us of PostgreSQL's time a row instead of 36, a third of the bytes; writing them takes the gateway the same 6 us); ledger rows joined from the journaled texts, so that nothing is stringified twice; usage cut out of an answer instead of parsing all of it; model routes in front of the HTTP framework.",
];
