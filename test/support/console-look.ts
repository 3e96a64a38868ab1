import type { Page } from "playwright-core";
import { expect } from "vitest";
import { findViolations, overflow, PICTURE_FOLDER, settle } from "./console-stand.ts";

/** Each width and each scheme is judged by axe once. */
const LOOKS = [
	{ width: 1440, scheme: "light", isJudged: true },
	{ width: 1440, scheme: "dark", isJudged: false },
	{ width: 390, scheme: "light", isJudged: false },
	{ width: 390, scheme: "dark", isJudged: true },
] as const;
const HEIGHT = 900;

/** Pictures of a page that is open, at both widths and in both schemes, as `ConsoleStand.picture` takes them of one that it opens each time. */
export async function lookAt(page: Page, name: string): Promise<void> {
	for (const { width, scheme, isJudged } of LOOKS) {
		await page.setViewportSize({ width, height: HEIGHT });
		await page.emulateMedia({ colorScheme: scheme });
		await settle(page);
		await page.screenshot({ path: `${PICTURE_FOLDER}/${name}-${width}-${scheme}.png`, fullPage: true });
		if (isJudged) expect(await findViolations(page), `${name} at ${width} in ${scheme}`).toEqual([]);
		expect(await overflow(page), `${name} at ${width} scrolls sideways`).toBe(0);
	}
	await page.setViewportSize({ width: LOOKS[0].width, height: HEIGHT });
}
