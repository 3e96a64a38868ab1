import { REST_NAME } from "./series.ts";

/** Of parts of a chart, in order; told apart by who sees colors poorly as well, on light and on dark. */
const SERIES_COLORS = ["#4c6ef5", "#12b886", "#f08c00", "#ae3ec9", "#15aabf", "#e8590c", "#82c91e"] as const;
/** Of what is left over. */
const REST_COLOR = "#868e96";

export function colorOf(name: string, index: number): string {
	return name.startsWith(REST_NAME) ? REST_COLOR : (SERIES_COLORS[index] ?? REST_COLOR);
}
