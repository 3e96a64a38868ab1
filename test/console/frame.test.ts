import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHROMIUM, HOW_TO_GET_CHROMIUM } from "#test/support/chromium.ts";
import { ConsoleStand } from "#test/support/console-stand.ts";
import { until } from "#test/support/until.ts";
import { CONSOLE_BYTES_MAX, measureConsole } from "../../scripts/build-console.ts";

describe.skipIf(CHROMIUM === undefined)(`the frame of the console ${HOW_TO_GET_CHROMIUM}`, () => {
	let stand: ConsoleStand;

	beforeAll(async () => {
		stand = await ConsoleStand.open();
		await stand.ask("POST", "/teams", { id: "support" });
		await stand.ask("POST", "/teams", { id: "search" });
	});
	afterAll(() => stand.close());

	test("has its navigation, the team of the address on every page, and a title a page", async () => {
		const page = await stand.visit("/?team=support");
		await page.getByRole("link", { name: "Budgets", exact: true }).click();
		await page.getByRole("heading", { name: "Budgets", level: 1 }).waitFor();
		expect(new URL(page.url()).pathname + new URL(page.url()).search).toBe("/console/budgets?team=support");
		expect(await page.title()).toBe("Budgets · Tollgate");
		await page.getByRole("combobox", { name: "Team" }).click();
		await page.getByRole("option", { name: "search" }).click();
		await until("the team to be in the address", async () => new URL(page.url()).searchParams.get("team") === "search");
		await page.close();
		expect(stand.complaints).toEqual([]);
	});

	test.each([
		["overview-empty", "/", "Nothing to forecast yet."],
		["explore-empty", "/explore", "Nothing was spent that matches."],
		["budgets-empty", "/budgets?team=support", "There is no budget here."],
		["requests-empty", "/requests?team=support", "No call matches."],
	])("%s says what to do where there is nothing", async (name, path, words) => {
		await stand.picture(name, path, (page) => page.getByText(words).first().waitFor());
		expect(stand.complaints).toEqual([]);
	});

	test("everything a browser loads is small enough", async () => {
		expect(measureConsole().compressedBytes).toBeLessThanOrEqual(CONSOLE_BYTES_MAX);
		expect(CONSOLE_BYTES_MAX).toBe(350 * 1024);
	});
});
