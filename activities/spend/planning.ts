/**
 * Options of a connection that asks for spend: what a question adds up at once (tens of thousands of groups) stays in memory; sums are narrow and mostly
 * there already, so that looking some up costs little more than reading them in a row, and a few megabytes are worth a second process; and nothing is
 * compiled for estimates that are larger than the work.
 */
export const SPEND_CONNECTION_OPTIONS = [
	["work_mem", "32MB"],
	["random_page_cost", "1.1"],
	["min_parallel_table_scan_size", "1MB"],
	["parallel_setup_cost", "100"],
	["parallel_tuple_cost", "0.01"],
	["jit", "off"],
]
	.map(([name, value]) => `-c ${name}=${value}`)
	.join(" ");
