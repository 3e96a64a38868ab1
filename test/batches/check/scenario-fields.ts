import { z } from "zod";

/** What fields of a scenario have in common. */

export const MS_MAX = 600_000;

export const whole = (lowest: number, highest: number) => z.int().min(lowest).max(highest);

/** An object that `check` throws nothing about. */
export const isTakenBy = (check: (value: Readonly<Record<string, unknown>>) => unknown) =>
	z.record(z.string(), z.unknown()).superRefine((value, context) => {
		try {
			check(value);
		} catch (error) {
			context.addIssue({ code: "custom", message: error instanceof Error ? error.message : String(error) });
		}
	});
