import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { Alert } from "#domain/alerts/alert.ts";
import { ALERT_KINDS, RUNBOOK_FOLDER, runbookOf } from "#domain/alerts/kinds.ts";
import { renderAlert } from "#domain/alerts/render.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

const SECTIONS = ["## What happened", "## What to look at", "## What to do", "## How it ends"];
const read = (file: string): string => readFileSync(path.join(PROJECT_FOLDER, file), "utf8");

test.each(ALERT_KINDS)("%s has a page that says what happened, what to look at, what to do and how it ends", (kind) => {
	const page = read(`${RUNBOOK_FOLDER}/${runbookOf(kind)}`);
	expect(page.split("\n")[0]).toMatch(new RegExp(`^# .*: \`${kind.replace(".", "\\.")}\`$`));
	const sections = page.split(/^(?=## )/m).slice(1);
	expect(sections.map((section) => section.split("\n")[0])).toEqual(SECTIONS);
	for (const section of sections) expect(section.length).toBeGreaterThan(30);
	expect(read(`${RUNBOOK_FOLDER}/README.md`)).toContain(`| \`${kind}\` | [`);
});

test.each([...ALERT_KINDS, "moon.full"])("an alert of %s links to its page", (kind) => {
	const alert: Alert = { id: "alr_1", atMs: 0, teamId: "a", subject: "", kind, severity: "info", isFiring: false, ends: [], detail: {} };
	expect(existsSync(path.join(PROJECT_FOLDER, renderAlert(alert, null).runbook))).toBe(true);
});

test("an end links to the page of what it ends", () => {
	const ends = [{ id: "alr_0", atMs: 0, kind: "budget.stopped", severity: "critical" as const }];
	const end: Alert = { id: "alr_1", atMs: 0, teamId: "a", subject: "", kind: "budget.withdrawn", severity: "info", isFiring: false, ends, detail: {} };
	expect(renderAlert(end, null).runbook).toBe(`${RUNBOOK_FOLDER}/budget-stopped.md`);
});
