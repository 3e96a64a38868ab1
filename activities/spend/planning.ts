/**
 * Options of a connection that asks for spend: what a question adds up at once (tens of thousands of groups) stays in memory, and nothing is compiled for
 * estimates that are larger than the work.
 */
export const SPEND_CONNECTION_OPTIONS = "-c work_mem=32MB -c jit=off";
