import { expect, test } from "vitest";
import type { Alert } from "#domain/alerts/alert.ts";
import { renderAlert } from "#domain/alerts/render.ts";

const AT_MS = Date.parse("2026-11-26T10:00:00Z");

function titleOf(more: Partial<Alert>): string {
	const alert: Alert = {
		id: "alr_1",
		atMs: AT_MS,
		teamId: "search",
		subject: "deferred",
		kind: "deferred.late",
		severity: "warning",
		isFiring: true,
		ends: [],
		detail: {},
		...more,
	};
	return renderAlert(alert, null).title;
}

test("alerts about items say how many are late, and which channel was not reached", () => {
	expect(titleOf({ detail: { items: 12, open: 3 } })).toBe("12 items of team search are past their deadlines, 3 of them without an answer");
	expect(titleOf({})).toBe("Some items of team search are past their deadlines, some of them without an answer");
	const ends = [{ id: "alr_0", kind: "deferred.late", severity: "warning" as const, atMs: AT_MS }];
	expect(titleOf({ isFiring: false, ends })).toBe("Over: no item of team search was late for an hour");
	expect(titleOf({ kind: "deferred.undelivered", isFiring: false, detail: { channel: "hook" } })).toBe(
		"Channel hook did not take what it was told of ended items of team search",
	);
});
